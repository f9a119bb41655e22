-- Version 6: what most batches are made of, plain messages, deliveries that were filed and deliveries that are handed
-- out, is one question for all of a kind and not one for each. It only adds: nodes of version 3 and later go on
-- beside those of this one.
--
-- A delivery is found by its key alone: "state + 0" keeps the planner from the partial indexes of what waits. Those are
-- tiny when a queue is empty, and so look cheap to read as a whole, and are full of dead entries a minute later.

-- Messages that come for the first time, as far as anybody asks: none is unique, or once, or waited for. Each has a
-- delivery at least, and its octets with it, in one piece. whose: to which of them each delivery belongs.
CREATE FUNCTION add_messages(e bigint, ids text[], senders text[], message_ids text[], received bigint[],
    ages bigint[], envelopes text[], bodies bytea[], lens bigint[], sums bigint[], manys int[], whose int[],
    numbers int[], states int[], upstreams text[], folders text[], rules text[], fallbacks text[], turns bigint[],
    uncertains boolean[], doubts text[], handeds boolean[], details text[],
    OUT seqs bigint[], OUT places bigint[],
    OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint) LANGUAGE plpgsql AS $$
DECLARE
  at bigint := now_ms();
BEGIN
  SELECT array_agg(nextval('message_seq')), array_agg(nextval('body_seq')) INTO seqs, places
    FROM generate_series(1, cardinality(ids));
  INSERT INTO body SELECT b.place, 0, b.octets FROM unnest(places, bodies) AS b (place, octets);
  INSERT INTO message (seq, id, sender, message_id, received_ms, taken_ms, settled_ms, unheard_ms, body, body_len,
      body_sum, open, envelope)
    SELECT m.seq, m.id, m.sender, nullif(m.message_id, ''), m.received, at - m.age, 0, 0, m.place, m.len, m.sum, m.many,
      m.envelope
    FROM unnest(seqs, places, ids, senders, message_ids, received, ages, lens, sums, manys, envelopes)
      AS m (seq, place, id, sender, message_id, received, age, len, sum, many, envelope);
  INSERT INTO delivery (message, number, state, upstream, folder, rule, fallback, turn, due_ms, changed_ms, uncertain,
      handed, doubt, detail)
    SELECT seqs[d.whose], d.number, d.state, d.upstream, d.folder, d.rule, d.fallback, d.turn, at, at, d.uncertain,
      CASE WHEN d.handed THEN e ELSE 0 END, d.doubt, d.detail
    FROM unnest(whose, numbers, states, upstreams, folders, rules, fallbacks, turns, uncertains, doubts, handeds,
      details) AS d (whose, number, state, upstream, folder, rule, fallback, turn, uncertain, doubt, handed, detail);
  SELECT count(*) FILTER (WHERE s = 0), count(*) FILTER (WHERE s = 1) INTO waiting, held FROM unnest(states) AS u (s);
  dead := 0;
  messages := cardinality(ids);
END
$$;

-- Deliveries that were filed: runs says in which epoch's hands each is. lost: which of them are in other hands. A body
-- number does not change while a delivery of its message is in anybody's hands, so it may be read before.
CREATE FUNCTION file_all(runs bigint[], keys bigint[], numbers int[], tries int[], uidvalidities bigint[],
    uids bigint[], folders text[], OUT lost int[],
    OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint)
    LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  at bigint := now_ms();
  left_open int;
  kept bigint;
  bodies bigint[] := '{}';
BEGIN
  lost := '{}'; waiting := 0; held := 0; dead := 0;
  FOR i IN 1 .. cardinality(keys) LOOP
    UPDATE delivery SET state = 3, due_ms = at, changed_ms = at, attempts = tries[i], uncertain = false, doubt = '',
      handed = 0, uidvalidity = uidvalidities[i], uid = uids[i], folder = coalesce(nullif(folders[i], ''), folder)
      WHERE message = keys[i] AND number = numbers[i] AND state + 0 = 0 AND handed = runs[i];
    IF NOT FOUND THEN
      lost := lost || i;
      CONTINUE;
    END IF;
    waiting := waiting - 1;
    SELECT body INTO kept FROM message WHERE seq = keys[i];
    UPDATE message SET open = open - 1, settled_ms = CASE open WHEN 1 THEN at ELSE 0 END,
      body = CASE open WHEN 1 THEN 0 ELSE body END WHERE seq = keys[i] RETURNING open INTO left_open;
    IF left_open = 0 THEN
      bodies := bodies || kept;
    END IF;
  END LOOP;
  DELETE FROM body WHERE id = ANY (bodies);
  messages := -cardinality(bodies);
END
$$;

-- given: whether each is in the epoch's hands now.
CREATE FUNCTION hand_all(e bigint, keys bigint[], numbers int[], dues bigint[], tries int[], doubts text[])
    RETURNS boolean[] LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  given boolean[] := '{}';
BEGIN
  FOR i IN 1 .. cardinality(keys) LOOP
    UPDATE delivery SET doubt = CASE WHEN uncertain THEN doubt ELSE doubts[i] END, handed = e
      WHERE message = keys[i] AND number = numbers[i] AND state + 0 = 0 AND handed + 0 = 0 AND due_ms = dues[i]
        AND attempts = tries[i];
    given := given || FOUND;
  END LOOP;
  RETURN given;
END
$$;

INSERT INTO version (number, least) VALUES (6, 3);
