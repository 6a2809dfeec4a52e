-- The log. Every cursor is given under one advisory lock that is held to the commit, so the order of cursors is the
-- order in which events become visible: see docs/decisions/0009-cursors-under-a-lock.md.

CREATE TABLE todoki.log (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    epoch uuid NOT NULL,
    -- Events up to this cursor are forgotten. Partitions that are forgotten whole are dropped, sooner or later.
    trimmed_through bigint NOT NULL DEFAULT 0,
    -- Up to this cursor there are partitions.
    partitioned_through bigint NOT NULL DEFAULT 0,
    -- Events in a partition: what retention gives back at once, some 2 GB of ordinary events. A look for an id asks each
    -- partition, so there should be tens of them and not thousands. May be changed; partitions that exist stay as they are.
    partition_events bigint NOT NULL DEFAULT 4194304 CHECK (partition_events BETWEEN 1 AND 9007199254740991)
);
INSERT INTO todoki.log (epoch) VALUES (gen_random_uuid());

CREATE TABLE todoki.kinds (
    id integer PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

-- NULL ids are none, and for agent_id the system. `data` is the producer's bytes: jsonb would reorder keys, refuse
-- \u0000 and write out 1e131071. The foreign key of `kind` is not declared: kinds are never removed.
CREATE TABLE todoki.events (
    cursor bigint NOT NULL,
    time timestamptz NOT NULL,
    agent_id uuid,
    session_id uuid,
    task_id uuid,
    project_id uuid,
    kind integer NOT NULL,
    draft_id text COLLATE "C",
    -- On the first event of a group that a server committed: by it the server finds out what became of a commit whose
    -- answer was lost.
    group_id uuid,
    data text COLLATE "C" NOT NULL,
    PRIMARY KEY (cursor)
) PARTITION BY RANGE (cursor);
CREATE INDEX events_kind ON todoki.events (kind, cursor);
CREATE INDEX events_agent_id ON todoki.events (agent_id, cursor) WHERE agent_id IS NOT NULL;
CREATE INDEX events_session_id ON todoki.events (session_id, cursor) WHERE session_id IS NOT NULL;
CREATE INDEX events_task_id ON todoki.events (task_id, cursor) WHERE task_id IS NOT NULL;
CREATE INDEX events_project_id ON todoki.events (project_id, cursor) WHERE project_id IS NOT NULL;
-- Not unique: an id is forgotten with its event, which may share a partition with events that are kept.
CREATE INDEX events_draft_id ON todoki.events (draft_id) WHERE draft_id IS NOT NULL;

CREATE TABLE todoki.partitions (
    low bigint PRIMARY KEY,
    high bigint NOT NULL,
    name name NOT NULL UNIQUE
);

-- Waits for every other writer, whose events are visible once this returns. Held until the transaction ends.
CREATE FUNCTION todoki.take_turn() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(1415867241, 1)
$$;

-- Makes partitions for events up to a cursor. The caller has its turn. A table is made apart and then attached, since
-- that does not wait for those who read; CREATE TABLE … PARTITION OF would, and would make others wait behind it. What
-- it is made of is not for the session to say, which may be an application's.
CREATE FUNCTION todoki.make_room(through bigint) RETURNS void LANGUAGE plpgsql
    SET default_tablespace = '' SET default_table_access_method = heap AS $$
DECLARE
    low bigint;
    high bigint;
    partition name;
BEGIN
    LOOP
        SELECT partitioned_through + 1, partitioned_through + partition_events INTO low, high FROM todoki.log;
        EXIT WHEN low > through;
        partition := 'events_from_' || low;
        EXECUTE format('CREATE TABLE todoki.%I (LIKE todoki.events INCLUDING ALL)', partition);
        EXECUTE format('ALTER TABLE todoki.events ATTACH PARTITION todoki.%I FOR VALUES FROM (%s) TO (%s)',
                       partition, low, high + 1);
        INSERT INTO todoki.partitions VALUES (low, high, partition);
        UPDATE todoki.log SET partitioned_through = high;
    END LOOP;
END
$$;

-- Drops the oldest partition whose events are all forgotten, and says which it was; NULL when there is none. Everyone else
-- waits behind it while it waits for those who read. So it does not begin when somebody has read for longer than a page
-- takes, such as a backup; and otherwise waits for as long as an autovacuum takes to give way, which it does after a second.
CREATE FUNCTION todoki.drop_partition() RETURNS name LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    dropped todoki.partitions;
    readers text[];
BEGIN
    SELECT p.* INTO dropped FROM todoki.partitions p, todoki.log l
    WHERE p.high <= l.trimmed_through ORDER BY p.low LIMIT 1 FOR UPDATE OF p SKIP LOCKED;
    IF dropped.name IS NULL THEN
        RETURN NULL;
    END IF;
    readers := todoki.readers();
    IF readers <> '{}' THEN
        PERFORM pg_sleep(0.2);
        IF readers && todoki.readers() THEN
            RAISE EXCEPTION 'a transaction that has read the events is not at its end' USING ERRCODE = 'lock_not_available';
        END IF;
    END IF;
    EXECUTE format('DROP TABLE todoki.%I', dropped.name);
    DELETE FROM todoki.partitions WHERE name = dropped.name;
    RETURN dropped.name;
END
$$;

-- Other transactions that hold the table of events.
CREATE FUNCTION todoki.readers() RETURNS text[] LANGUAGE sql AS $$
    SELECT ARRAY(
        SELECT virtualtransaction FROM pg_locks
        WHERE relation = 'todoki.events'::regclass AND granted AND pid <> pg_backend_pid()
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
$$;

-- Numbers kinds that have no number yet, all or none, and tells every kind after the first `known`. None are numbered
-- when the log would have more than 10,000 of them; the caller sees that one is missing.
CREATE FUNCTION todoki.intern(names text[], known integer) RETURNS SETOF todoki.kinds LANGUAGE plpgsql AS $$
DECLARE
    last integer;
    fresh text[];
BEGIN
    PERFORM todoki.take_turn();
    SELECT coalesce(max(id), 0) INTO last FROM todoki.kinds;
    SELECT array_agg(name ORDER BY place) INTO fresh
    FROM (SELECT name, min(place) AS place FROM unnest(names) WITH ORDINALITY AS n (name, place) GROUP BY name) n
    WHERE NOT EXISTS (SELECT FROM todoki.kinds k WHERE k.name = n.name);
    IF last + cardinality(fresh) <= 10000 THEN
        INSERT INTO todoki.kinds SELECT last + place, name FROM unnest(fresh) WITH ORDINALITY AS f (name, place);
    END IF;
    RETURN QUERY SELECT * FROM todoki.kinds WHERE id > known ORDER BY id;
END
$$;

-- Appends a group of drafts, which is of one or several appends; the arrays have one entry for each draft. No id is there
-- twice. Drafts whose id is in the log already are told (`known`: their places, counting from 1) and not stored; an
-- append with one that is another draft in the log, or that is in `refused`, is not stored at all. The others get
-- dense cursors from `first` on, in their order.
--
-- A group that comes again, because the answer was lost, finds itself after the cursor `after`.
CREATE FUNCTION todoki.append(
    writer text, this_group uuid, is_retry boolean, after bigint, refused integer[], has_ids boolean,
    appends integer[], kind_ids integer[], agents uuid[], sessions uuid[], tasks uuid[], projects uuid[], ids text[],
    bodies text[],
    OUT first bigint, OUT stamp timestamptz, OUT known integer[], OUT known_cursors bigint[], OUT known_same boolean[]
) LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    trimmed bigint;
    room bigint;
    stored bigint;
    stored_at timestamptz;
BEGIN
    PERFORM todoki.take_turn();
    -- One statement, which has locked the table before it looks: nothing is forgotten between the mark and the last event.
    SELECT trimmed_through, partitioned_through, greatest((SELECT max(cursor) FROM todoki.events), trimmed_through) + 1,
        clock_timestamp()
    INTO trimmed, room, first, stamp FROM todoki.log;
    IF is_retry THEN
        SELECT cursor, time INTO stored, stored_at FROM todoki.events
        WHERE cursor > after AND group_id = this_group ORDER BY cursor LIMIT 1;
        first := coalesce(stored, first);
        stamp := coalesce(stored_at, stamp);
    END IF;
    IF has_ids THEN
        SELECT array_agg(place), array_agg(cursor), array_agg(same) INTO known, known_cursors, known_same
        FROM unnest(ids, kind_ids, agents, sessions, tasks, projects, bodies) WITH ORDINALITY
                AS d (id, kind, agent_id, session_id, task_id, project_id, data, place),
            LATERAL (
                SELECT e.cursor, (e.kind, e.data) = (d.kind, d.data)
                    AND (e.agent_id, e.session_id, e.task_id, e.project_id)
                        IS NOT DISTINCT FROM (d.agent_id, d.session_id, d.task_id, d.project_id) AS same
                FROM todoki.events e
                -- Sums and a limit leave one way: each id is looked up in its index, whatever a planner that has no
                -- statistics yet believes.
                WHERE e.draft_id = d.id AND e.cursor + 0 > trimmed AND e.cursor + 0 < first LIMIT 1
            ) e;
        refused := refused || ARRAY(
            SELECT appends[place] FROM unnest(known, known_same) AS k (place, same) WHERE NOT same
        );
    END IF;
    IF stored IS NOT NULL OR known IS NOT NULL THEN
        -- Whoever is told of an event that is there waits for the standbys as whoever wrote it did, who may have been ended
        -- while it waited. A commit waits that has written something.
        PERFORM FROM todoki.log FOR KEY SHARE;
    END IF;
    IF stored IS NOT NULL THEN
        RETURN;
    END IF;
    IF first - 1 + cardinality(bodies) > 9007199254740991 THEN
        RAISE EXCEPTION 'the log has handed out its last cursor' USING ERRCODE = 'TD001';
    END IF;
    IF first - 1 + cardinality(bodies) > room THEN
        PERFORM todoki.make_room(first - 1 + cardinality(bodies));
    END IF;
    INSERT INTO todoki.events
        (cursor, time, agent_id, session_id, task_id, project_id, kind, draft_id, group_id, data)
    SELECT first - 1 + row_number() OVER turn, stamp, agent_id, session_id, task_id, project_id, kind, id,
        CASE WHEN row_number() OVER turn = 1 THEN this_group END, data
    FROM unnest(appends, ids, kind_ids, agents, sessions, tasks, projects, bodies) WITH ORDINALITY
        AS d (append, id, kind, agent_id, session_id, task_id, project_id, data, place)
    WHERE (known IS NULL OR place <> ALL (known)) AND append <> ALL (refused)
    WINDOW turn AS (ORDER BY place);
    -- Wakes; what there is to read is told by the table alone. A queue that is full would undo the commit: one is shared by
    -- all databases, and fills when anybody listens and does not end a transaction.
    IF FOUND AND pg_notification_queue_usage() < 0.9 THEN
        PERFORM pg_notify('todoki', writer);
    END IF;
END
$$;

-- The position before the first event stamped at `wanted` or later, among those up to `head`: the times of events
-- do not go back unless the clock did, so cursors can be halved.
CREATE FUNCTION todoki.seek(wanted timestamptz, head bigint) RETURNS bigint LANGUAGE plpgsql STABLE
    SET jit = off SET enable_seqscan = off AS $$
DECLARE
    low bigint;
    high bigint;
    middle bigint;
    found_cursor bigint;
    found_time timestamptz;
BEGIN
    SELECT trimmed_through, greatest(head, trimmed_through) INTO low, high FROM todoki.log;
    WHILE low < high LOOP
        middle := low + (high - low + 1) / 2;
        -- Imported events may have holes between them.
        SELECT cursor, time INTO found_cursor, found_time FROM todoki.events
        WHERE cursor >= middle AND cursor <= high ORDER BY cursor LIMIT 1;
        IF found_time < wanted THEN
            low := found_cursor;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END
$$;

-- The data of any event for operators of jsonb, which knows no NUL: \u0000 in a string reads as U+FFFD. A backslash is one
-- of an escape when an even number of them is before it.
CREATE FUNCTION todoki.as_jsonb(data text) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN position('\u0000' IN data) = 0 THEN data
        ELSE regexp_replace(data, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g') END::jsonb;

-- The log as people read it: `SELECT * FROM todoki.timeline WHERE todoki.as_jsonb(data) ->> 'title' = …`.
CREATE VIEW todoki.timeline AS
SELECT e.cursor, k.name AS kind, e.time,
    coalesce(e.agent_id, '00000000-0000-0000-0000-000000000000') AS agent_id,
    e.session_id, e.task_id, e.project_id, e.draft_id AS id, e.data
FROM todoki.log l, todoki.events e JOIN todoki.kinds k ON k.id = e.kind
WHERE e.cursor > l.trimmed_through;
