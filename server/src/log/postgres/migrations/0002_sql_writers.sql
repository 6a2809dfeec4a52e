-- Writers in SQL: an application publishes in its own transaction. What it emits waits in the outbox until its commit,
-- and only then gets cursors: a transaction that takes its time, or waits for locks, keeps nobody else waiting.

-- What transactions that are still open have emitted; each takes its own rows out again before it commits, so no row is
-- ever seen by another and none needs to survive a crash.
CREATE UNLOGGED TABLE todoki.outbox (
    tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    place bigint GENERATED ALWAYS AS IDENTITY,
    kind text COLLATE "C" NOT NULL,
    agent_id uuid,
    session_id uuid,
    task_id uuid,
    project_id uuid,
    draft_id text COLLATE "C",
    data text COLLATE "C" NOT NULL,
    PRIMARY KEY (tx, place)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
CREATE UNIQUE INDEX outbox_draft_id ON todoki.outbox (tx, draft_id) WHERE draft_id IS NOT NULL;

-- Transactions that are still open and have emitted, for the trigger that publishes: one row for each, however much it emits.
CREATE UNLOGGED TABLE todoki.emitting (
    tx xid8 PRIMARY KEY DEFAULT pg_current_xact_id(),
    is_last boolean NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- The string that a JSON token stands for, with NUL written as \0 and a backslash as \\, since text has no NUL; NULL
-- when it holds half of a surrogate pair, which jsonb would refuse and json would not.
CREATE FUNCTION todoki.unescape(token text) RETURNS text LANGUAGE plpgsql IMMUTABLE
    SET standard_conforming_strings = on AS $$
DECLARE
    piece text;
    code integer;
    high integer;
    result text := '';
BEGIN
    FOR piece IN
        SELECT m[1] FROM regexp_matches(substr(token, 2, length(token) - 2), '(\\u[0-9A-Fa-f]{4}|\\.|[^\\]+)', 'g') m
    LOOP
        code := CASE WHEN starts_with(piece, '\u') THEN ('x' || substr(piece, 3))::bit(16)::integer END;
        IF (high IS NOT NULL) <> (code IS NOT NULL AND code BETWEEN 56320 AND 57343) THEN
            RETURN NULL;
        ELSIF high IS NOT NULL THEN
            result := result || chr(65536 + ((high - 55296) << 10) + (code - 56320));
            high := NULL;
        ELSIF code BETWEEN 55296 AND 56319 THEN
            high := code;
        ELSIF code IS NOT NULL THEN
            result := result || CASE code WHEN 0 THEN '\0' WHEN 92 THEN '\\' ELSE chr(code) END;
        ELSIF starts_with(piece, '\') THEN
            result := result || CASE substr(piece, 2)
                WHEN 'b' THEN chr(8) WHEN 'f' THEN chr(12) WHEN 'n' THEN chr(10) WHEN 'r' THEN chr(13)
                WHEN 't' THEN chr(9) WHEN '\' THEN '\\' ELSE substr(piece, 2) END;
        ELSE
            result := result || piece;
        END IF;
    END LOOP;
    RETURN CASE WHEN high IS NULL THEN result END;
END
$$;

-- What is wrong with an event's data, by the rules that the server has for what producers POST; NULL when nothing is.
-- The type json checks the grammar and keeps the bytes; it lets lone surrogates, keys that come twice and any depth pass.
CREATE FUNCTION todoki.fault(data text) RETURNS text LANGUAGE plpgsql IMMUTABLE
    SET standard_conforming_strings = on AS $$
DECLARE
    token text;
    colon text;
    bracket text;
    detail text;
    objects integer := 0;
    open integer[] := '{}';
    owners integer[] := '{}';
    keys text[] := '{}';
BEGIN
    IF octet_length(data) > 262144 THEN
        RETURN format('data has %s bytes; the limit is 262144', octet_length(data));
    END IF;
    BEGIN
        IF json_typeof(data::json) <> 'object' THEN
            RETURN 'data must be a JSON object';
        END IF;
    EXCEPTION
        WHEN invalid_text_representation OR untranslatable_character OR statement_too_complex THEN
            GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
            RETURN format('data is not JSON: %s', detail);
    END;
    FOR token, colon, bracket IN
        SELECT m[1], m[2], m[3]
        FROM regexp_matches(data, '("(?:[^"\\]|\\.)*")\s*(:?)|([][{}])', 'g') m
    LOOP
        IF bracket IN ('{', '[') THEN
            objects := objects + 1;
            open := open || objects;
            -- The draft around it is level 1.
            IF cardinality(open) > 63 THEN
                RETURN 'data is nested over the limit of 63 levels';
            END IF;
        ELSIF bracket IS NOT NULL THEN
            open := trim_array(open, 1);
        ELSE
            IF position('\' IN token) > 0 THEN
                token := todoki.unescape(token);
                IF token IS NULL THEN
                    RETURN 'data has half of a surrogate pair in a string';
                END IF;
            ELSE
                token := substr(token, 2, length(token) - 2);
            END IF;
            IF colon = ':' THEN
                owners := owners || open[cardinality(open)];
                keys := keys || token;
            END IF;
        END IF;
    END LOOP;
    SELECT k.key INTO token FROM unnest(owners, keys) AS k (owner, key) GROUP BY k.owner, k.key HAVING count(*) > 1 LIMIT 1;
    IF FOUND THEN
        RETURN format('data has the key %s twice in one object', to_json(token));
    END IF;
    RETURN NULL;
END
$$;

-- Whether a text is a kind: segments joined by dots.
CREATE FUNCTION todoki.is_kind(name text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT octet_length(name) <= 128 AND name COLLATE "C" ~ '^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$'
$$;

-- Publishes an event when the transaction commits, and nothing when it does not. NULL is none, and for agent_id the
-- system. With an id, a second call with the same draft does nothing, in whichever transaction; another draft with the
-- id of one that is stored is refused at the commit.
CREATE FUNCTION public.todoki_emit(
    kind text, agent_id uuid, data json, task_id uuid DEFAULT NULL, session_id uuid DEFAULT NULL,
    project_id uuid DEFAULT NULL, id text DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    body text := btrim(data::text, E' \t\n\r');
    wrong text := todoki.fault(body);
    system uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- Its snapshot is older than the events of others that its own come after.
        RAISE EXCEPTION 'todoki_emit needs a transaction that is READ COMMITTED'
            USING ERRCODE = 'feature_not_supported', HINT = 'Emit in a transaction of its own, or lower the isolation level.';
    ELSIF todoki.is_kind(kind) IS NOT TRUE THEN
        RAISE EXCEPTION 'todoki_emit: % is not a kind', coalesce(quote_literal(kind), 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'A kind is segments of A-Z a-z 0-9 _ - joined by dots, 128 bytes at most.';
    ELSIF body IS NULL OR wrong IS NOT NULL THEN
        RAISE EXCEPTION 'todoki_emit: %', coalesce(wrong, 'data is NULL') USING ERRCODE = 'invalid_parameter_value';
    ELSIF id COLLATE "C" !~ '^[!-~]{1,128}$' THEN
        RAISE EXCEPTION 'todoki_emit: an id is 1 to 128 visible ASCII characters'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO todoki.outbox (kind, agent_id, session_id, task_id, project_id, draft_id, data)
    VALUES (todoki_emit.kind, nullif(todoki_emit.agent_id, system), todoki_emit.session_id, todoki_emit.task_id,
            todoki_emit.project_id, todoki_emit.id, body)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND AND NOT EXISTS (
        SELECT FROM todoki.outbox o
        WHERE o.tx = pg_current_xact_id() AND o.draft_id = todoki_emit.id
            AND (o.kind, o.data) = (todoki_emit.kind, body)
            AND (o.agent_id, o.session_id, o.task_id, o.project_id) IS NOT DISTINCT FROM
                (nullif(todoki_emit.agent_id, system), todoki_emit.session_id, todoki_emit.task_id, todoki_emit.project_id)
    ) THEN
        RAISE EXCEPTION 'todoki_emit: the id % is on another draft of this transaction', quote_literal(id)
            USING ERRCODE = 'unique_violation';
    END IF;
    INSERT INTO todoki.emitting DEFAULT VALUES ON CONFLICT DO NOTHING;
END
$$;
REVOKE ALL ON FUNCTION public.todoki_emit FROM PUBLIC;

-- Numbers what the transaction has emitted. What else it has put off to its commit comes first, such as foreign keys, for
-- which it may have to wait for others: triggers that fire have their own updates fired behind all that wait.
CREATE FUNCTION todoki.publish() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine todoki.outbox[];
    names text[];
    kind_ids integer[];
    ids text[];
    bytes bigint;
    refused_place integer;
    outcome record;
BEGIN
    IF NOT NEW.is_last THEN
        UPDATE todoki.emitting SET is_last = true WHERE tx = NEW.tx;
        RETURN NULL;
    END IF;
    DELETE FROM todoki.emitting WHERE tx = NEW.tx;
    SELECT sum(octet_length(data)) INTO bytes FROM todoki.outbox WHERE tx = NEW.tx;
    IF bytes IS NULL THEN
        RETURN NULL;
    ELSIF bytes > 67108864 THEN
        RAISE EXCEPTION 'a transaction emits % bytes of data; the limit is 67108864', bytes
            USING ERRCODE = 'program_limit_exceeded', HINT = 'Emit the rest in another transaction.';
    END IF;
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        -- Nobody is to see an event that a power cut or a failover could take back.
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    PERFORM todoki.take_turn();
    WITH taken AS (DELETE FROM todoki.outbox o WHERE tx = NEW.tx RETURNING o)
    SELECT array_agg((o).kind ORDER BY (o).place), array_agg((o).draft_id ORDER BY (o).place), array_agg(o ORDER BY (o).place)
    INTO names, ids, mine FROM taken;
    IF cardinality(mine) > 10000 THEN
        RAISE EXCEPTION 'a transaction emits % events; the limit is 10000', cardinality(mine)
            USING ERRCODE = 'program_limit_exceeded', HINT = 'Emit the rest in another transaction.';
    END IF;
    IF EXISTS (SELECT FROM unnest(names) n WHERE NOT EXISTS (SELECT FROM todoki.kinds k WHERE k.name = n)) THEN
        PERFORM todoki.intern(names, 2147483647);
    END IF;
    SELECT array_agg(k.id ORDER BY place) INTO kind_ids
    FROM unnest(names) WITH ORDINALITY AS n (name, place) JOIN todoki.kinds k ON k.name = n.name;
    IF cardinality(kind_ids) IS DISTINCT FROM cardinality(mine) THEN
        RAISE EXCEPTION 'todoki_emit: its kind would be a new one, and the log has 10000'
            USING ERRCODE = 'program_limit_exceeded', HINT = 'Put what varies into data.';
    END IF;
    SELECT * INTO outcome FROM todoki.append(
        'sql', NULL, false, 0, '{}', array_remove(ids, NULL) <> '{}', array_fill(1, ARRAY[cardinality(mine)]), kind_ids,
        ARRAY(SELECT agent_id FROM unnest(mine)), ARRAY(SELECT session_id FROM unnest(mine)),
        ARRAY(SELECT task_id FROM unnest(mine)), ARRAY(SELECT project_id FROM unnest(mine)), ids,
        ARRAY(SELECT data FROM unnest(mine)));
    refused_place := array_position(outcome.known_same, false);
    IF refused_place IS NOT NULL THEN
        RAISE EXCEPTION 'todoki_emit: the id % was used for another draft, which is event %',
            quote_literal(ids[outcome.known[refused_place]]), outcome.known_cursors[refused_place]
            USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER publish AFTER INSERT OR UPDATE ON todoki.emitting DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION todoki.publish();
-- Also in a session that says it replays what was done elsewhere.
ALTER TABLE todoki.emitting ENABLE ALWAYS TRIGGER publish;

-- Copies the events of a classic table (cursor, kind, time, agent_id, session_id, task_id, data) into a log that never
-- had any, with their cursors and the holes between them. Says how many; and, when the times have no zone, which one they
-- were taken to be in. A name without a schema is one in public, whatever the search_path says.
CREATE FUNCTION todoki.import(source text, OUT imported bigint, OUT zone text) LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    path text[] := parse_ident(source);
    classic regclass;
    events text;
    wrong text;
    doubled record;
    faulty record;
    lowest bigint;
    highest bigint;
BEGIN
    IF cardinality(path) = 1 THEN
        path := array_prepend('public', path);
    END IF;
    classic := to_regclass(format('%I.%I', path[1], path[2]));
    IF path[1] = 'todoki' THEN
        RAISE EXCEPTION '% is a table of the log itself; name the classic one', source
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF cardinality(path) <> 2 OR classic IS NULL THEN
        RAISE EXCEPTION 'there is no table %; name it as SCHEMA.TABLE', array_to_string(path, '.')
            USING ERRCODE = 'undefined_table';
    END IF;
    PERFORM todoki.take_turn();
    IF EXISTS (SELECT FROM todoki.events) OR (SELECT trimmed_through FROM todoki.log) > 0 THEN
        RAISE EXCEPTION 'the log has events already, and cursors are given once' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE MODE', classic);
    SELECT string_agg(format('its column %s must be %s, and is %s', w.name, w.expected,
                             coalesce(format_type(a.atttypid, a.atttypmod), 'missing')), '; ' ORDER BY w.place)
    INTO wrong
    FROM (VALUES (1, 'cursor', 'bigint or integer', '{int8,int4,int2}'::name[], ''),
                 (2, 'kind', 'text', '{}', 'SE'),
                 (3, 'time', 'timestamptz', '{timestamptz,timestamp}', ''),
                 (4, 'agent_id', 'uuid', '{uuid}', 'S'),
                 (5, 'session_id', 'uuid', '{uuid}', 'S'),
                 (6, 'task_id', 'uuid', '{uuid}', 'S'),
                 (7, 'data', 'json or jsonb', '{json,jsonb}', 'S')) AS w (place, name, expected, types, categories)
        LEFT JOIN pg_attribute a ON a.attrelid = classic AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_type d ON d.oid = a.atttypid
        LEFT JOIN pg_type t ON t.oid = coalesce(nullif(d.typbasetype, 0), d.oid)
    WHERE (t.typname = ANY (w.types) OR position(t.typcategory::text IN w.categories) > 0) IS NOT TRUE;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the table % cannot be imported: %', classic, wrong USING ERRCODE = 'datatype_mismatch';
    END IF;
    SELECT current_setting('TimeZone') INTO zone FROM pg_attribute
    WHERE attrelid = classic AND attname = 'time' AND format_type(atttypid, NULL) = 'timestamp without time zone';
    events := format('SELECT cursor::bigint AS cursor, kind::text AS kind, time::timestamptz AS time,
                             agent_id::text AS agent_id, session_id::text AS session_id, task_id::text AS task_id,
                             data::text AS data FROM %s', classic);
    EXECUTE format($q$
        SELECT * FROM (SELECT cursor, CASE
            WHEN cursor IS NULL THEN 'its cursor is NULL'
            WHEN cursor NOT BETWEEN 1 AND 9007199254740991 THEN 'its cursor is out of range'
            WHEN todoki.is_kind(kind) IS NOT TRUE THEN format('its kind %%L is not one', kind)
            WHEN time IS NULL THEN 'its time is NULL'
            -- What the server can write: years of four digits, and no more of the last one than its calendar has.
            WHEN time NOT BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-30 22:00:00+00'
                THEN 'its time is out of range'
            WHEN agent_id !~ '^([0-9A-Fa-f]{4}-?){7}[0-9A-Fa-f]{4}$' THEN 'its agent_id is not a UUID'
            WHEN session_id !~ '^([0-9A-Fa-f]{4}-?){7}[0-9A-Fa-f]{4}$' THEN 'its session_id is not a UUID'
            WHEN task_id !~ '^([0-9A-Fa-f]{4}-?){7}[0-9A-Fa-f]{4}$' THEN 'its task_id is not a UUID'
            WHEN data IS NULL THEN 'its data is NULL'
            ELSE todoki.fault(data)
        END AS fault FROM (%s) e) c WHERE fault IS NOT NULL ORDER BY cursor NULLS FIRST LIMIT 1
    $q$, events) INTO faulty;
    IF faulty.fault IS NOT NULL THEN
        RAISE EXCEPTION '% of % cannot be imported: %; correct or delete it, then import again',
            coalesce('event ' || faulty.cursor, 'an event'), classic, faulty.fault USING ERRCODE = 'data_exception';
    END IF;
    EXECUTE format('SELECT cursor, count(*) FROM (%s) e GROUP BY cursor HAVING count(*) > 1 ORDER BY cursor LIMIT 1', events)
    INTO doubled;
    IF doubled.cursor IS NOT NULL THEN
        RAISE EXCEPTION 'event % is % times in %, and a cursor is given once; correct or delete the others, then import again',
            doubled.cursor, doubled.count, classic USING ERRCODE = 'unique_violation';
    END IF;
    EXECUTE format('SELECT min(cursor), max(cursor) FROM %s', classic) INTO lowest, highest;
    imported := 0;
    IF lowest IS NULL THEN
        RETURN;
    END IF;
    -- No partitions for cursors before the first event.
    UPDATE todoki.log SET trimmed_through = lowest - 1,
        partitioned_through = (lowest - 1) / partition_events * partition_events;
    PERFORM todoki.make_room(highest);
    EXECUTE format($q$
        SELECT count(*) FROM todoki.intern(ARRAY(SELECT kind FROM (%s) e GROUP BY kind ORDER BY min(cursor)), 0)
    $q$, events);
    EXECUTE format($q$
        INSERT INTO todoki.events (cursor, time, agent_id, session_id, task_id, kind, data)
        SELECT e.cursor, e.time, nullif(e.agent_id::uuid, '00000000-0000-0000-0000-000000000000'), e.session_id::uuid,
            e.task_id::uuid, k.id, e.data
        FROM (%s) e LEFT JOIN todoki.kinds k ON k.name = e.kind ORDER BY e.cursor
    $q$, events);
    GET DIAGNOSTICS imported = ROW_COUNT;
    PERFORM pg_notify('todoki', 'import');
END
$$;
