-- Tickets that wait to be used, one table for all servers: see docs/decisions/0010-tickets-in-a-table.md.

-- Unlogged: giving one waits for no disk, and none is in the write-ahead log or in a backup. After a crash, or on a standby
-- that took over, there are none, so none that was used is ever there again.
CREATE UNLOGGED TABLE todoki.tickets (
    -- SHA-256 of what the holder will show.
    digest bytea PRIMARY KEY,
    -- SHA-256 of the principal's name: names may be longer than an index takes.
    principal bytea NOT NULL,
    -- What a server judges the holder by, sealed with a key that nothing but the ticket itself gives.
    sealed bytea NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
-- What is sealed does not get smaller.
ALTER TABLE todoki.tickets ALTER sealed SET STORAGE EXTERNAL;
CREATE INDEX tickets_principal ON todoki.tickets (principal, expires_at);
CREATE INDEX tickets_expires_at ON todoki.tickets (expires_at);

-- Keeps a ticket: 'kept', or 'many_of_one' or 'many' where so many wait already. Servers take turns, so that together they
-- keep no more than one alone would. Every count begins with what has not expired, and so passes over nothing that a long
-- transaction elsewhere keeps from being vacuumed; expired tickets are cleared away when the caller says so.
CREATE FUNCTION todoki.put_ticket(
    this_digest bytea, this_principal bytea, content bytea, lifetime_ms integer, most_of_one integer, most integer,
    sweeps boolean
) RETURNS text LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    IF sweeps THEN
        DELETE FROM todoki.tickets WHERE expires_at <= moment;
    END IF;
    PERFORM pg_advisory_xact_lock(1415867241, 3);
    moment := clock_timestamp();
    PERFORM FROM todoki.tickets WHERE principal = this_principal AND expires_at > moment
    ORDER BY expires_at OFFSET most_of_one - 1 LIMIT 1;
    IF FOUND THEN
        RETURN 'many_of_one';
    END IF;
    PERFORM FROM todoki.tickets WHERE expires_at > moment ORDER BY expires_at OFFSET most - 1 LIMIT 1;
    IF FOUND THEN
        RETURN 'many';
    END IF;
    -- The same one comes twice where the answer to the first call was lost.
    INSERT INTO todoki.tickets VALUES (this_digest, this_principal, content, moment + lifetime_ms * interval '1 ms')
    ON CONFLICT DO NOTHING;
    RETURN 'kept';
END
$$;
