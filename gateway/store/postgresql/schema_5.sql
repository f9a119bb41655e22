-- Version 5: what a server has not that takes the place of another one is not taken for known. It only adds: nodes of
-- version 3 go on beside those of this one.

-- Which history it is: each promotion of a standby, and each recovery from an archive, begins another one. A copy by
-- pg_dump lies on another system.
CREATE FUNCTION line() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
$$;
CREATE FUNCTION system() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT system_identifier FROM pg_control_system()
$$;
-- waited: whether a COMMIT waits for a standby that has it, when a node said last that it lives.
INSERT INTO mark SELECT 'line', line();
INSERT INTO mark SELECT 'system', system();
INSERT INTO mark VALUES ('waited', 0);
-- The history in which the node was heard last. NULL: a node of an earlier version, which does not say.
ALTER TABLE fence ADD COLUMN line bigint;

CREATE OR REPLACE FUNCTION join_as(who text, what text, lease_ms bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  e bigint;
BEGIN
  INSERT INTO node (name, program, lease_until)
    VALUES (who, what, clock_timestamp() + lease_ms * interval '1 millisecond') RETURNING epoch INTO e;
  INSERT INTO fence VALUES (e, line());
  INSERT INTO tally (epoch) VALUES (e);
  DELETE FROM grp WHERE epoch IN (SELECT epoch FROM node WHERE ended < now() - interval '1 day');
  DELETE FROM node WHERE ended < now() - interval '1 day';
  RETURN e;
END
$$;

CREATE OR REPLACE FUNCTION renew(e bigint, lease_ms bigint, words text, drains boolean) RETURNS boolean
    LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM fence WHERE epoch = e FOR KEY SHARE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE node SET lease_until = clock_timestamp() + lease_ms * interval '1 millisecond', state = words,
    draining = drains WHERE epoch = e;
  -- Of a server that nobody has looked at since it was promoted, its own settings say nothing of what it lacks.
  UPDATE mark SET value = 1 - value WHERE name = 'waited' AND value <> (current_setting('synchronous_standby_names') <> ''
    AND current_setting('synchronous_commit') IN ('on', 'remote_apply'))::int
    AND EXISTS (SELECT 1 FROM mark m WHERE m.name = 'line' AND m.value = line());
  RETURN true;
END
$$;

-- enter, but not in a history in which the node was not heard yet: it asks first what was lost (follow).
CREATE FUNCTION enter_here(e bigint, g bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM enter(e, g);
  IF EXISTS (SELECT 1 FROM fence f WHERE f.epoch = e AND f.line <> line()) THEN
    RAISE EXCEPTION 'another server has taken the place of the one before' USING ERRCODE = 'MW003';
  END IF;
END
$$;

-- What this server takes for waiting may have been sent, by nodes that may still be at it for as long as their lease
-- holds. Nobody's right to write goes on; what a node has claimed by its old time nobody hands to it any more.
CREATE FUNCTION doubt_all(lease_ms bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  bodies bigint[];
  free bigint := now_ms() + lease_ms + 3000;
BEGIN
  PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN fence f ON a.application_name = 'mailweir ' || f.epoch
    WHERE a.pid <> pg_backend_pid() AND a.usename = current_user;
  DELETE FROM fence;
  UPDATE node SET ended = now() WHERE ended IS NULL;
  -- Epochs that nobody can have had on the server before.
  PERFORM nextval('node_epoch_seq') FROM generate_series(1, 64);
  UPDATE delivery SET uncertain = true, handed = 0,
    due_ms = CASE state WHEN 0 THEN greatest(due_ms, free) ELSE due_ms END WHERE state IN (0, 1, 2);
  WITH gone AS (DELETE FROM upload RETURNING upload.body) SELECT array_agg(gone.body) INTO bodies FROM gone;
  DELETE FROM body WHERE id = ANY (bodies);
  UPDATE tally t SET waiting = s.waiting, held = s.held, dead = s.dead, messages = s.messages
    FROM (SELECT sum(waiting) AS waiting, sum(held) AS held, sum(dead) AS dead, sum(messages) AS messages FROM tally) s
    WHERE t.epoch = 0;
  DELETE FROM tally WHERE epoch <> 0;
  UPDATE slot SET free_at = clock_timestamp() + (lease_ms + 5000) * interval '1 millisecond', wanted = 0, turn = false
    WHERE free_at IS NULL;
  PERFORM tell_others();
END
$$;

-- Whether history was lost with the server before, as far as this node can tell; then all is in doubt. It was not when
-- each COMMIT waited for a standby, and somebody lived a moment ago, and what this node has committed last is here.
-- last: the key of that; 0: none.
CREATE FUNCTION follow(e bigint, last bigint, lease_ms bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  heard bigint;
  moved boolean;
  lost boolean;
BEGIN
  SELECT f.line INTO heard FROM fence f WHERE f.epoch = e;
  IF coalesce(heard, line()) = line() AND e <= coalesce((SELECT max(epoch) FROM node), 0)
      AND NOT EXISTS (SELECT 1 FROM mark m WHERE (m.name = 'line' AND m.value <> line())
        OR (m.name = 'system' AND m.value <> system())) THEN
    RETURN false;
  END IF;
  PERFORM 1 FROM mark m WHERE m.name = 'line' FOR UPDATE;
  moved := EXISTS (SELECT 1 FROM mark m WHERE m.name = 'line' AND m.value <> line());
  lost := EXISTS (SELECT 1 FROM mark m WHERE m.name = 'system' AND m.value <> system())
    OR (moved AND NOT (EXISTS (SELECT 1 FROM mark m WHERE m.name = 'waited' AND m.value = 1)
      AND EXISTS (SELECT 1 FROM node n WHERE n.ended IS NULL AND n.lease_until > clock_timestamp() - interval '10 min')))
    OR (heard <> line() AND last > 0 AND NOT EXISTS (SELECT 1 FROM grp WHERE epoch = e AND n = last))
    OR e > coalesce((SELECT max(epoch) FROM node), 0);
  UPDATE mark SET value = line() WHERE name = 'line' AND value <> line();
  UPDATE mark SET value = system() WHERE name = 'system' AND value <> system();
  IF lost THEN
    PERFORM doubt_all(lease_ms);
  ELSE
    UPDATE fence SET line = line() WHERE epoch = e;
  END IF;
  RETURN coalesce(lost, false);
END
$$;

INSERT INTO version (number, least) VALUES (5, 3);
