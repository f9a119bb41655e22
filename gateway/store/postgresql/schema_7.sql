-- Version 7: a transaction that somebody holds open for minutes (a report, a backup) slows the work of a queue less. What
-- is dead for everybody else must be kept for it, and whoever looks for what lives walks over it. It only adds: nodes of
-- version 3 and later go on beside those of this one.

-- What a node has counted begins a new row after so many batches, and the old one goes: the newest is found first, and
-- few dead ones lie behind it.
ALTER TABLE tally ADD COLUMN part bigint NOT NULL DEFAULT 0, ADD COLUMN batches int NOT NULL DEFAULT 0;
ALTER TABLE tally DROP CONSTRAINT tally_pkey, ADD PRIMARY KEY (epoch, part);

-- The sum over all nodes, which each have one row: from the highest on, each is the first that is met. No plan but that
-- one is ever the better one here.
CREATE FUNCTION totals(OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint)
    LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
BEGIN
  WITH RECURSIVE newest AS (
    (SELECT t.epoch, t.waiting, t.held, t.dead, t.messages FROM tally t ORDER BY t.epoch DESC, t.part DESC LIMIT 1)
    UNION ALL
    SELECT n.* FROM newest m CROSS JOIN LATERAL (SELECT t.epoch, t.waiting, t.held, t.dead, t.messages FROM tally t
      WHERE t.epoch < m.epoch ORDER BY t.epoch DESC, t.part DESC LIMIT 1) AS n)
    SELECT sum(n.waiting), sum(n.held), sum(n.dead), sum(n.messages) INTO waiting, held, dead, messages FROM newest n;
END
$$;

-- Who takes over a dead node holds our row while it adds what that one had counted: so a row goes before it is changed.
CREATE OR REPLACE FUNCTION leave(e bigint, w bigint, h bigint, d bigint, m bigint,
    OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint)
    LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  last bigint;
  many int;
BEGIN
  IF w <> 0 OR h <> 0 OR d <> 0 OR m <> 0 THEN
    SELECT t.part, t.batches INTO last, many FROM tally t WHERE t.epoch = e ORDER BY t.part DESC LIMIT 1;
    IF many < 64 THEN
      UPDATE tally t SET waiting = t.waiting + w, held = t.held + h, dead = t.dead + d, messages = t.messages + m,
        batches = t.batches + 1 WHERE t.epoch = e AND t.part = last;
    ELSE
      WITH old AS (DELETE FROM tally t WHERE t.epoch = e AND t.part = last RETURNING t.*)
        INSERT INTO tally (epoch, waiting, held, dead, messages, part)
        SELECT o.epoch, o.waiting + w, o.held + h, o.dead + d, o.messages + m, o.part + 1 FROM old o;
    END IF;
  END IF;
  SELECT t.waiting, t.held, t.dead, t.messages INTO waiting, held, dead, messages FROM totals() AS t;
END
$$;

-- A delivery is found by its key alone, as since version 6 where many are asked for at once.
CREATE OR REPLACE FUNCTION retry_dead(s bigint, at bigint) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  changed int;
BEGIN
  UPDATE delivery SET state = 0, due_ms = at, changed_ms = at, handed = 0 WHERE message = s AND state + 0 = 2;
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END
$$;

CREATE OR REPLACE FUNCTION hand(e bigint, m bigint, n int, due bigint, tries int, doubt_ text) RETURNS boolean
    LANGUAGE plpgsql AS $$
BEGIN
  UPDATE delivery SET doubt = CASE WHEN uncertain THEN doubt ELSE doubt_ END, handed = e
    WHERE message = m AND number = n AND state + 0 = 0 AND handed + 0 = 0 AND due_ms = due AND attempts = tries;
  RETURN FOUND;
END
$$;

CREATE OR REPLACE FUNCTION finish(e bigint, m bigint, n int, to_state int, again_ms bigint, tries int,
    uncertain_ boolean, doubt_ text, uidvalidity_ bigint, uid_ bigint, folder_ text, class_ text, code_ text,
    during_ text, text_ text, words text,
    OUT fault text, OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint)
    LANGUAGE plpgsql AS $$
DECLARE
  at bigint := now_ms();
BEGIN
  fault := ''; waiting := 0; held := 0; dead := 0; messages := 0;
  UPDATE delivery SET state = to_state, due_ms = at + again_ms, changed_ms = at, attempts = tries,
    uncertain = uncertain_, doubt = doubt_, handed = 0, uidvalidity = uidvalidity_, uid = uid_,
    folder = coalesce(folder_, folder)
    WHERE message = m AND number = n AND state + 0 = 0 AND handed + 0 = e;
  IF NOT FOUND THEN
    fault := 'not-in-hand';
    RETURN;
  END IF;
  IF words IS NOT NULL THEN
    PERFORM add_note(m, n, at, words);
  END IF;
  IF to_state <> 3 THEN
    INSERT INTO attempt VALUES (m, n, tries, at, class_, code_, during_, text_)
      ON CONFLICT (message, number, attempt) DO UPDATE SET at_ms = excluded.at_ms, class = excluded.class,
        code = excluded.code, during = excluded.during, text = excluded.text;
  ELSIF settle(m, at) THEN
    messages := -1;
  END IF;
  waiting := CASE WHEN to_state = 0 THEN 0 ELSE -1 END;
  dead := CASE WHEN to_state = 2 THEN 1 ELSE 0 END;
END
$$;

CREATE OR REPLACE FUNCTION untouch(e bigint, m bigint, n int, uncertain_ boolean, doubt_ text) RETURNS void
    LANGUAGE sql AS $$
  UPDATE delivery SET handed = 0, uncertain = uncertain_, doubt = doubt_
    WHERE message = m AND number = n AND state + 0 = 0 AND handed + 0 = e
$$;

INSERT INTO version (number, least) VALUES (7, 3);
