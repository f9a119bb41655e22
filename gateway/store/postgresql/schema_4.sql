-- Version 4: a body that is on its way leaves nothing behind when its node ends; and what a sender sends again is
-- recognised by this server's clock alone. It only adds: nodes of version 3 go on beside those of this one.

-- What another epoch had in its hands may have been filed; its uploads belong to nobody. They go before the bodies: a
-- piece that is being written holds its upload, and the statement that has waited for it is not the one that sees it.
CREATE OR REPLACE FUNCTION take_over(old bigint, mine bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  taken bigint;
  bodies bigint[];
BEGIN
  -- A connection of it that lies in the middle of a transaction would hold us up, and cannot end well any more.
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'mailweir ' || old AND pid <> pg_backend_pid() AND usename = current_user;
  DELETE FROM fence WHERE epoch = old;
  IF FOUND THEN
    PERFORM tell_others();
  END IF;
  UPDATE node SET ended = now() WHERE epoch = old AND ended IS NULL;
  UPDATE delivery SET uncertain = uncertain OR state = 0, handed = 0 WHERE handed = old;
  GET DIAGNOSTICS taken = ROW_COUNT;
  WITH gone AS (DELETE FROM upload WHERE upload.epoch = old RETURNING upload.body)
    SELECT array_agg(gone.body) INTO bodies FROM gone;
  DELETE FROM body WHERE id = ANY (bodies);
  UPDATE tally t SET waiting = t.waiting + o.waiting, held = t.held + o.held, dead = t.dead + o.dead,
    messages = t.messages + o.messages FROM tally o WHERE t.epoch = mine AND o.epoch = old;
  DELETE FROM tally WHERE epoch = old;
  RETURN taken;
END
$$;

-- taken_ms: when it was received, by this server's clock; received_ms is by the clock of the node, which may be wrong.
-- NULL: from before version 4. Not filled in here: that would write every message once more.
ALTER TABLE message ADD COLUMN taken_ms bigint;

-- age_ms: since it was received, as the node has measured.
CREATE FUNCTION add_message(e bigint, id_ text, sender_ text, message_id_ text, received bigint, age_ms bigint,
    is_unique boolean, once_ms bigint, waits_ms bigint, print_ bigint, envelope_ text, octets bytea, uploaded bigint,
    len bigint, sum_ bigint,
    numbers int[], states int[], upstreams text[], folders text[], rules text[], fallbacks text[], turns bigint[],
    uncertains boolean[], doubts text[], handeds boolean[], details text[],
    OUT fault text, OUT message bigint, OUT place bigint, OUT twin text, OUT twin_open int, OUT retried int,
    OUT reopened int, OUT adopted boolean, OUT revived boolean,
    OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint) LANGUAGE plpgsql AS $$
DECLARE
  at bigint := now_ms();
  taken bigint := at - age_ms;
  many int := coalesce(array_length(numbers, 1), 0);
  old record;
  dropped bigint;
  others bigint;
BEGIN
  fault := ''; message := 0; place := 0; twin := ''; twin_open := 0; retried := 0; reopened := 0;
  adopted := false; revived := false; waiting := 0; held := 0; dead := 0; messages := 0;
  -- Two nodes may be given the same at the same time.
  IF is_unique THEN
    PERFORM pg_advisory_xact_lock(1, hashtext(id_));
    SELECT m.seq INTO old FROM message m WHERE m.id = id_;
    IF FOUND THEN
      SELECT count(*) FILTER (WHERE d.state = 4), count(*) FILTER (WHERE d.state NOT IN (4, 5)) INTO dropped, others
        FROM delivery d WHERE d.message = old.seq;
      IF dropped > 0 AND others = 0 THEN
        PERFORM forget_message(old.seq);
        revived := true;
      ELSE
        fault := CASE WHEN dropped > 0 THEN 'dropped' ELSE 'known' END;
        RETURN;
      END IF;
    END IF;
  END IF;
  IF many > 0 AND (waits_ms > 0 OR once_ms > 0) THEN
    PERFORM pg_advisory_xact_lock(print_);
  END IF;
  IF many > 0 AND waits_ms > 0 THEN
    SELECT m.seq, m.id, m.open INTO old FROM message m WHERE m.print = print_ AND m.body_len = len
      AND m.body_sum = sum_ AND m.unheard_ms > 0 AND m.unheard_ms >= at - waits_ms ORDER BY m.seq DESC LIMIT 1
      FOR UPDATE;
    IF FOUND THEN
      UPDATE delivery d SET state = 0, due_ms = at, changed_ms = at, handed = 0
        WHERE d.message = old.seq AND d.state = 4;
      GET DIAGNOSTICS reopened = ROW_COUNT;
      twin := old.id;
      twin_open := old.open + reopened;
      adopted := old.open = 0 AND reopened > 0;
      IF adopted THEN
        place := keep_body(uploaded, octets);
        messages := 1;
        UPDATE message m SET body = place WHERE m.seq = old.seq;
      END IF;
      IF reopened > 0 THEN
        UPDATE message m SET open = m.open + reopened, settled_ms = 0, unheard_ms = at WHERE m.seq = old.seq;
      END IF;
      retried := retry_dead(old.seq, at);
      waiting := reopened + retried;
      dead := -retried;
      RETURN;
    END IF;
  END IF;
  IF many > 0 AND once_ms > 0 THEN
    SELECT m.seq, m.id, m.open INTO old FROM message m WHERE m.print = print_ AND m.body_len = len
      AND m.body_sum = sum_ AND coalesce(m.taken_ms, m.received_ms) >= taken - once_ms
      AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.message = m.seq AND d.state = 4) ORDER BY m.seq LIMIT 1;
    IF FOUND THEN
      twin := old.id;
      twin_open := old.open;
      retried := retry_dead(old.seq, at);
      waiting := retried;
      dead := -retried;
      RETURN;
    END IF;
  END IF;
  message := nextval('message_seq');
  IF many > 0 THEN
    place := keep_body(uploaded, octets);
    messages := 1;
  END IF;
  INSERT INTO message (seq, id, sender, message_id, received_ms, taken_ms, settled_ms, unheard_ms, print, body,
      body_len, body_sum, open, envelope)
    VALUES (message, id_, sender_, message_id_, received, taken, CASE WHEN many = 0 THEN at ELSE 0 END,
      CASE WHEN waits_ms > 0 THEN at ELSE 0 END, CASE WHEN once_ms + waits_ms > 0 THEN print_ END, place, len, sum_,
      many, envelope_);
  INSERT INTO delivery (message, number, state, upstream, folder, rule, fallback, turn, due_ms, changed_ms, uncertain,
      handed, doubt, detail)
    SELECT add_message.message, u.number, u.state, u.upstream, u.folder, u.rule, u.fallback, u.turn, at, at,
      u.uncertain, CASE WHEN u.handed THEN e ELSE 0 END, u.doubt, u.detail
    FROM unnest(numbers, states, upstreams, folders, rules, fallbacks, turns, uncertains, doubts, handeds, details)
      AS u (number, state, upstream, folder, rule, fallback, turn, uncertain, doubt, handed, detail);
  SELECT count(*) FILTER (WHERE s = 0), count(*) FILTER (WHERE s = 1) INTO waiting, held FROM unnest(states) AS u (s);
END
$$;

-- As nodes of version 3 call it.
CREATE OR REPLACE FUNCTION add_message(e bigint, id_ text, sender_ text, message_id_ text, received bigint,
    is_unique boolean, once_ms bigint, waits_ms bigint, print_ bigint, envelope_ text, octets bytea, uploaded bigint,
    len bigint, sum_ bigint,
    numbers int[], states int[], upstreams text[], folders text[], rules text[], fallbacks text[], turns bigint[],
    uncertains boolean[], doubts text[], handeds boolean[], details text[],
    OUT fault text, OUT message bigint, OUT place bigint, OUT twin text, OUT twin_open int, OUT retried int,
    OUT reopened int, OUT adopted boolean, OUT revived boolean,
    OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint) LANGUAGE sql AS $$
  SELECT * FROM add_message(e, id_, sender_, message_id_, received, 0, is_unique, once_ms, waits_ms, print_, envelope_,
    octets, uploaded, len, sum_, numbers, states, upstreams, folders, rules, fallbacks, turns, uncertains, doubts,
    handeds, details)
$$;

INSERT INTO version (number, least) VALUES (4, 3);
