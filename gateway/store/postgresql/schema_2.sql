-- Version 2: the connections to an account are counted over all nodes.

-- held: connections that a node has, or may open. wanted: for how many it has work, or would have. free_at: of a node
-- that was ended: so long the server may still count what it had. turn: it gets itself a token, or is about to.
CREATE TABLE slot (
  account text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  held int NOT NULL,
  wanted int NOT NULL,
  free_at timestamptz,
  turn boolean NOT NULL DEFAULT false,
  PRIMARY KEY (account, epoch)) WITH (fillfactor = 50);

-- What a node that was ended had is free two seconds later: its machine has reset the connections, or was cut off for
-- longer than that.
CREATE FUNCTION sweep_slots() RETURNS void LANGUAGE sql AS $$
  UPDATE slot s SET free_at = n.ended + interval '2 s', wanted = 0, turn = false FROM node n
    WHERE n.epoch = s.epoch AND s.free_at IS NULL AND n.ended IS NOT NULL;
  DELETE FROM slot s WHERE s.free_at < clock_timestamp() OR NOT EXISTS (SELECT 1 FROM node n WHERE n.epoch = s.epoch);
$$;

-- What each node may have of `most` connections when all have that which is fair: the largest number that each of them
-- can have who wants so many; what is left over goes to those who want more, the oldest first.
CREATE FUNCTION shares(which text, most int) RETURNS TABLE (epoch bigint, share int) LANGUAGE sql STABLE AS $$
  WITH wants AS (SELECT s.epoch, s.wanted FROM slot s WHERE s.account = which AND s.free_at IS NULL),
    level AS (SELECT max(l) AS l FROM generate_series(0, most) AS l
      WHERE (SELECT coalesce(sum(least(w.wanted, l)), 0) FROM wants w) <= most),
    rest AS (SELECT most - coalesce(sum(least(w.wanted, level.l)), 0) AS n FROM wants w, level)
  SELECT w.epoch, least(w.wanted, level.l) + (w.wanted > level.l
      AND (SELECT count(*) FROM wants o WHERE o.wanted > level.l AND o.epoch < w.epoch) < rest.n)::int
    FROM wants w, level, rest
$$;

-- A node says how many connections it has to each account and wants; at: which account; given: so many it may have from
-- now on; allowed: to so many it shall come down, for others want theirs; due: something waits that nobody has; turn: it
-- may get itself a token now, one node after the other.
CREATE FUNCTION slots(e bigint, accounts text[], mosts int[], opens int[], wanteds int[], coulds boolean[],
    turns boolean[]) RETURNS TABLE (at int, given int, allowed int, due boolean, turn boolean) LANGUAGE plpgsql AS $$
DECLARE
  which text;
  want int;
  others int;
  mine int;
  theirs int;
BEGIN
  PERFORM 1 FROM fence f WHERE f.epoch = e FOR KEY SHARE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(2, 0);
  PERFORM sweep_slots();
  FOR i IN 1 .. coalesce(array_length(accounts, 1), 0) LOOP
    which := accounts[i];
    due := coulds[i] AND NOT EXISTS (SELECT 1 FROM pause p WHERE p.upstream IN ('', which))
      AND EXISTS (SELECT 1 FROM delivery d WHERE d.state = 0 AND d.handed = 0 AND d.upstream = which
        AND d.due_ms <= now_ms());
    want := CASE WHEN coulds[i] THEN least(greatest(wanteds[i], due::int), mosts[i]) ELSE 0 END;
    turn := turns[i] AND NOT EXISTS (SELECT 1 FROM slot s WHERE s.account = which AND s.epoch <> e AND s.turn);
    INSERT INTO slot AS s (account, epoch, held, wanted, turn) VALUES (which, e, opens[i], want, slots.turn)
      ON CONFLICT ON CONSTRAINT slot_pkey DO UPDATE
        SET held = excluded.held, wanted = excluded.wanted, turn = excluded.turn
        WHERE (s.held, s.wanted, s.turn) IS DISTINCT FROM (excluded.held, excluded.wanted, excluded.turn);
    SELECT coalesce(sum(s.held), 0) INTO others FROM slot s WHERE s.account = which AND s.epoch <> e;
    SELECT coalesce(sum(h.share) FILTER (WHERE h.epoch = e), 0), coalesce(sum(h.share) FILTER (WHERE h.epoch <> e), 0)
      INTO mine, theirs FROM shares(which, mosts[i]) AS h;
    at := i - 1;
    given := greatest(opens[i], least(mine, mosts[i] - others));
    allowed := greatest(mosts[i] - theirs, 0);
    UPDATE slot s SET held = given WHERE s.account = which AND s.epoch = e AND s.held <> given;
    RETURN NEXT;
  END LOOP;
END
$$;

INSERT INTO version (number) VALUES (2);
