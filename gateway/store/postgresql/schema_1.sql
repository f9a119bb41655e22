-- Version 1 of what mailweir keeps in PostgreSQL: tables, and what is done to them for each operation of a batch
-- (store_batch.h), so that a batch is one question to the server and not one for each row. Run by "mailweir spool
-- migrate" with search_path = mailweir. A version that was released is never changed.
--
-- Times are milliseconds since 1970 by this server's clock. Texts that senders choose are compared octet by octet.

CREATE TABLE version (number int NOT NULL, since timestamptz NOT NULL DEFAULT now());

-- ---- nodes ----

-- A start of mailweir. What is in its hands is nobody else's, until its fence is taken away.
CREATE TABLE node (
  epoch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  program text NOT NULL DEFAULT '',
  joined timestamptz NOT NULL DEFAULT now(),
  lease_until timestamptz NOT NULL,
  ended timestamptz,
  draining boolean NOT NULL DEFAULT false,
  state text NOT NULL DEFAULT '') WITH (fillfactor = 50);
-- The row is the right to write.
CREATE TABLE fence (epoch bigint PRIMARY KEY REFERENCES node);
-- A row for each batch that was committed: whoever lost the answer asks here.
CREATE TABLE grp (epoch bigint NOT NULL, n bigint NOT NULL, PRIMARY KEY (epoch, n));
-- Deliveries by state and messages that are open, as the batches of each node have changed them: their sum is what is.
CREATE TABLE tally (
  epoch bigint PRIMARY KEY,
  waiting bigint NOT NULL DEFAULT 0,
  held bigint NOT NULL DEFAULT 0,
  dead bigint NOT NULL DEFAULT 0,
  messages bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50);
INSERT INTO tally (epoch) VALUES (0);
CREATE TABLE mark (name text PRIMARY KEY, value bigint NOT NULL);
-- changed: rises with what operators, or the end of a node, change of what is due or paused: others look then.
INSERT INTO mark VALUES ('learnt', 0), ('unlearnt', 0), ('unlearnt_ms', 0), ('changed', 0);

-- ---- mail ----

CREATE SEQUENCE message_seq;
CREATE SEQUENCE body_seq;
-- body 0: none is kept. open: deliveries that are not settled. unheard_ms: since when its sender waits to hear; 0.
CREATE TABLE message (
  seq bigint PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  sender text COLLATE "C" NOT NULL,
  message_id text COLLATE "C",
  received_ms bigint NOT NULL,
  settled_ms bigint NOT NULL,
  unheard_ms bigint NOT NULL,
  print bigint,
  body bigint NOT NULL,
  body_len bigint NOT NULL,
  body_sum bigint NOT NULL,
  open int NOT NULL,
  envelope text NOT NULL) WITH (fillfactor = 80);
CREATE INDEX message_settled ON message (settled_ms, seq) WHERE open = 0;
CREATE INDEX message_open ON message (seq) WHERE open > 0;
CREATE INDEX message_message_id ON message (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX message_print ON message (print) WHERE print IS NOT NULL;
CREATE INDEX message_received ON message (received_ms);
-- state: 0 waiting, 1 held, 2 dead, 3 filed, 4 dropped, 5 moved. handed: the epoch in whose hands it is; 0: nobody's.
CREATE TABLE delivery (
  message bigint NOT NULL,
  number int NOT NULL,
  state smallint NOT NULL,
  upstream text COLLATE "C" NOT NULL,
  folder text COLLATE "C" NOT NULL,
  rule text COLLATE "C" NOT NULL,
  fallback text COLLATE "C" NOT NULL,
  turn bigint NOT NULL,
  due_ms bigint NOT NULL,
  changed_ms bigint NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  uncertain boolean NOT NULL DEFAULT false,
  handed bigint NOT NULL DEFAULT 0,
  doubt text NOT NULL DEFAULT '',
  uidvalidity bigint NOT NULL DEFAULT 0,
  uid bigint NOT NULL DEFAULT 0,
  detail text NOT NULL,
  PRIMARY KEY (message, number)) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX delivery_due ON delivery (upstream, due_ms, message, number) WHERE state = 0 AND handed = 0;
CREATE INDEX delivery_turn ON delivery (upstream, turn, due_ms) WHERE state = 0;
CREATE INDEX delivery_stopped ON delivery (state, upstream) WHERE state IN (1, 2);
CREATE INDEX delivery_handed ON delivery (handed) WHERE handed <> 0;
CREATE INDEX delivery_uid ON delivery (upstream, uid) WHERE uid > 0;
-- Octets of mail, not to be compressed: most of it is already. A large one comes in pieces before its message does.
-- Each piece but the last has 262144.
CREATE TABLE body (id bigint NOT NULL, no int NOT NULL, data bytea NOT NULL, PRIMARY KEY (id, no))
  WITH (autovacuum_vacuum_scale_factor = 0.01);
ALTER TABLE body ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE upload (body bigint PRIMARY KEY, epoch bigint NOT NULL);
CREATE TABLE attempt (
  message bigint NOT NULL,
  number int NOT NULL,
  attempt int NOT NULL,
  at_ms bigint NOT NULL,
  class text NOT NULL,
  code text NOT NULL,
  during text NOT NULL,
  text text NOT NULL,
  PRIMARY KEY (message, number, attempt));
CREATE TABLE note (message bigint NOT NULL, number int NOT NULL, at_ms bigint NOT NULL, text text NOT NULL,
  PRIMARY KEY (message, number, at_ms));
CREATE TABLE pause (upstream text COLLATE "C" PRIMARY KEY, at_ms bigint NOT NULL, by_name text NOT NULL);
CREATE TABLE memo (upstream text COLLATE "C" PRIMARY KEY, text text NOT NULL);

-- ---- small things ----

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT floor(extract(epoch FROM now()) * 1000)::bigint
$$;

CREATE FUNCTION add_note(m bigint, n int, at bigint, words text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO note VALUES (m, n, at, words) ON CONFLICT (message, number, at_ms) DO UPDATE SET text = excluded.text
$$;

CREATE FUNCTION forget_message(s bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM body WHERE id = (SELECT body FROM message WHERE seq = s AND body <> 0);
  DELETE FROM attempt WHERE message = s;
  DELETE FROM note WHERE message = s;
  DELETE FROM delivery WHERE message = s;
  DELETE FROM message WHERE seq = s;
END
$$;

-- One delivery of the message is settled; true when that was the last one.
CREATE FUNCTION settle(s bigint, at bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  left_open int;
  kept bigint;
BEGIN
  UPDATE message SET open = open - 1, settled_ms = CASE open WHEN 1 THEN at ELSE 0 END WHERE seq = s
    RETURNING open, body INTO left_open, kept;
  IF left_open = 0 THEN
    DELETE FROM body WHERE id = kept;
    UPDATE message SET body = 0 WHERE seq = s;
  END IF;
  RETURN left_open = 0;
END
$$;

-- ---- nodes ----

CREATE FUNCTION tell_others() RETURNS void LANGUAGE sql AS $$
  UPDATE mark SET value = value + 1 WHERE name = 'changed'
$$;

-- What another epoch had in its hands may have been filed; its uploads belong to nobody.
CREATE FUNCTION take_over(old bigint, mine bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  taken bigint;
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
  DELETE FROM body WHERE id IN (SELECT upload.body FROM upload WHERE upload.epoch = old);
  DELETE FROM upload WHERE upload.epoch = old;
  UPDATE tally t SET waiting = t.waiting + o.waiting, held = t.held + o.held, dead = t.dead + o.dead,
    messages = t.messages + o.messages FROM tally o WHERE t.epoch = mine AND o.epoch = old;
  DELETE FROM tally WHERE epoch = old;
  RETURN taken;
END
$$;

-- The epoch of a node that begins; what an earlier start of it left is taken over by adopt().
CREATE FUNCTION join_as(who text, what text, lease_ms bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  e bigint;
BEGIN
  INSERT INTO node (name, program, lease_until)
    VALUES (who, what, clock_timestamp() + lease_ms * interval '1 millisecond') RETURNING epoch INTO e;
  INSERT INTO fence VALUES (e);
  INSERT INTO tally (epoch) VALUES (e);
  DELETE FROM grp WHERE epoch IN (SELECT epoch FROM node WHERE ended < now() - interval '1 day');
  DELETE FROM node WHERE ended < now() - interval '1 day';
  RETURN e;
END
$$;

CREATE FUNCTION renew(e bigint, lease_ms bigint, words text, drains boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM fence WHERE epoch = e FOR KEY SHARE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE node SET lease_until = clock_timestamp() + lease_ms * interval '1 millisecond', state = words,
    draining = drains WHERE epoch = e;
  RETURN true;
END
$$;

-- ---- batches ----

CREATE FUNCTION enter(e bigint, g bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM fence WHERE epoch = e FOR KEY SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another node has ended this one (epoch %)', e USING ERRCODE = 'MW001';
  END IF;
  INSERT INTO grp VALUES (e, g);
  -- No batch is in limbo for as long as so many of them take.
  IF g % 256 = 0 THEN
    DELETE FROM grp WHERE epoch = e AND n < g - 100000;
  END IF;
END
$$;

CREATE FUNCTION leave(e bigint, w bigint, h bigint, d bigint, m bigint,
    OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint) LANGUAGE plpgsql AS $$
BEGIN
  IF w <> 0 OR h <> 0 OR d <> 0 OR m <> 0 THEN
    UPDATE tally t SET waiting = t.waiting + w, held = t.held + h, dead = t.dead + d, messages = t.messages + m
      WHERE t.epoch = e;
  END IF;
  SELECT sum(t.waiting), sum(t.held), sum(t.dead), sum(t.messages) INTO waiting, held, dead, messages FROM tally t;
END
$$;

-- ---- ADD_MESSAGE ----

CREATE FUNCTION retry_dead(s bigint, at bigint) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  changed int;
BEGIN
  UPDATE delivery SET state = 0, due_ms = at, changed_ms = at, handed = 0 WHERE message = s AND state = 2;
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END
$$;

-- The octets of a body: those of an upload, or these.
CREATE FUNCTION keep_body(uploaded bigint, octets bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  made bigint;
BEGIN
  IF uploaded <> 0 THEN
    DELETE FROM upload WHERE body = uploaded;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the octets of a large message that were sent before it are gone' USING ERRCODE = 'MW002';
    END IF;
    RETURN uploaded;
  END IF;
  made := nextval('body_seq');
  INSERT INTO body SELECT made, i, substring(octets FROM i * 262144 + 1 FOR 262144)
    FROM generate_series(0, greatest(length(octets) - 1, 0) / 262144) AS i;
  RETURN made;
END
$$;

CREATE FUNCTION add_message(e bigint, id_ text, sender_ text, message_id_ text, received bigint, is_unique boolean,
    once_ms bigint, waits_ms bigint, print_ bigint, envelope_ text, octets bytea, uploaded bigint, len bigint,
    sum_ bigint,
    numbers int[], states int[], upstreams text[], folders text[], rules text[], fallbacks text[], turns bigint[],
    uncertains boolean[], doubts text[], handeds boolean[], details text[],
    OUT fault text, OUT message bigint, OUT place bigint, OUT twin text, OUT twin_open int, OUT retried int,
    OUT reopened int, OUT adopted boolean, OUT revived boolean,
    OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint) LANGUAGE plpgsql AS $$
DECLARE
  at bigint := now_ms();
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
      AND m.body_sum = sum_ AND m.received_ms >= at - once_ms
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
  INSERT INTO message VALUES (message, id_, sender_, message_id_, received, CASE WHEN many = 0 THEN at ELSE 0 END,
    CASE WHEN waits_ms > 0 THEN at ELSE 0 END, CASE WHEN once_ms + waits_ms > 0 THEN print_ END, place, len, sum_, many,
    envelope_);
  INSERT INTO delivery (message, number, state, upstream, folder, rule, fallback, turn, due_ms, changed_ms, uncertain,
      handed, doubt, detail)
    SELECT add_message.message, u.number, u.state, u.upstream, u.folder, u.rule, u.fallback, u.turn, at, at,
      u.uncertain, CASE WHEN u.handed THEN e ELSE 0 END, u.doubt, u.detail
    FROM unnest(numbers, states, upstreams, folders, rules, fallbacks, turns, uncertains, doubts, handeds, details)
      AS u (number, state, upstream, folder, rule, fallback, turn, uncertain, doubt, handed, detail);
  SELECT count(*) FILTER (WHERE s = 0), count(*) FILTER (WHERE s = 1) INTO waiting, held FROM unnest(states) AS u (s);
END
$$;

-- ---- HAND, FINISH, UNTOUCH ----

CREATE FUNCTION hand(e bigint, m bigint, n int, due bigint, tries int, doubt_ text) RETURNS boolean
    LANGUAGE plpgsql AS $$
BEGIN
  UPDATE delivery SET doubt = CASE WHEN uncertain THEN doubt ELSE doubt_ END, handed = e
    WHERE message = m AND number = n AND state = 0 AND handed = 0 AND due_ms = due AND attempts = tries;
  RETURN FOUND;
END
$$;

CREATE FUNCTION finish(e bigint, m bigint, n int, to_state int, again_ms bigint, tries int, uncertain_ boolean,
    doubt_ text, uidvalidity_ bigint, uid_ bigint, folder_ text, class_ text, code_ text, during_ text, text_ text,
    words text, OUT fault text, OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint)
    LANGUAGE plpgsql AS $$
DECLARE
  at bigint := now_ms();
BEGIN
  fault := ''; waiting := 0; held := 0; dead := 0; messages := 0;
  UPDATE delivery SET state = to_state, due_ms = at + again_ms, changed_ms = at, attempts = tries,
    uncertain = uncertain_, doubt = doubt_, handed = 0, uidvalidity = uidvalidity_, uid = uid_,
    folder = coalesce(folder_, folder)
    WHERE message = m AND number = n AND state = 0 AND handed = e;
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

-- It has another place from now on.
CREATE FUNCTION redirect(m bigint, n int, upstream_ text, folder_ text, fallback_ text, turn_ bigint, detail_ text)
    RETURNS void LANGUAGE sql AS $$
  UPDATE delivery SET upstream = upstream_, folder = folder_, fallback = fallback_, turn = turn_, detail = detail_
    WHERE message = m AND number = n
$$;

CREATE FUNCTION untouch(e bigint, m bigint, n int, uncertain_ boolean, doubt_ text) RETURNS void LANGUAGE sql AS $$
  UPDATE delivery SET handed = 0, uncertain = uncertain_, doubt = doubt_
    WHERE message = m AND number = n AND state = 0 AND handed = e
$$;

-- ---- what operators do ----

-- A delivery in nobody's hands gets another state. noted: an operator's word ends its doubt.
CREATE FUNCTION change(m bigint, n int, from_state int, to_state int, words text, noted boolean,
    OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint) LANGUAGE plpgsql AS $$
DECLARE
  at bigint := now_ms();
BEGIN
  UPDATE delivery SET state = to_state, due_ms = at, changed_ms = at, handed = 0,
    uncertain = uncertain AND NOT noted, doubt = CASE WHEN noted THEN 'noted=1' ELSE doubt END
    WHERE message = m AND number = n;
  PERFORM add_note(m, n, at, words);
  messages := 0;
  IF to_state >= 3 AND settle(m, at) THEN
    messages := -1;
  END IF;
  waiting := (to_state = 0)::int - (from_state = 0)::int;
  held := (to_state = 1)::int - (from_state = 1)::int;
  dead := (to_state = 2)::int - (from_state = 2)::int;
END
$$;

-- A further delivery of a message that is open.
CREATE FUNCTION add_more(m bigint, n int, to_state int, upstream_ text, folder_ text, rule_ text, fallback_ text,
    turn_ bigint, doubt_ text, detail_ text, OUT waiting bigint, OUT held bigint, OUT dead bigint, OUT messages bigint)
    LANGUAGE plpgsql AS $$
DECLARE
  at bigint := now_ms();
BEGIN
  INSERT INTO delivery (message, number, state, upstream, folder, rule, fallback, turn, due_ms, changed_ms, doubt,
      detail)
    VALUES (m, n, to_state, upstream_, folder_, rule_, fallback_, turn_, at, at, doubt_, detail_);
  UPDATE message SET open = open + 1 WHERE seq = m;
  waiting := (to_state = 0)::int; held := (to_state = 1)::int; dead := 0; messages := 0;
END
$$;

-- The first pause is the one that is kept.
CREATE FUNCTION set_pause(which text, paused boolean, who text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  at bigint := now_ms();
BEGIN
  IF paused THEN
    INSERT INTO pause VALUES (which, at, who) ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM pause WHERE upstream = which OR which = '';
  END IF;
  PERFORM tell_others();
  RETURN at;
END
$$;

CREATE FUNCTION set_memo(which text, words text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO memo VALUES (which, words) ON CONFLICT (upstream) DO UPDATE SET text = excluded.text
$$;

CREATE FUNCTION heard(id_ text) RETURNS void LANGUAGE sql AS $$
  UPDATE message SET unheard_ms = 0 WHERE id = id_
$$;

-- ---- history ----

CREATE FUNCTION forget(keep_ms bigint, keep_messages bigint, most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  settled bigint;
  before bigint := now_ms() - keep_ms;
  s bigint;
  gone bigint := 0;
BEGIN
  SELECT count(*) INTO settled FROM message WHERE open = 0;
  IF settled > keep_messages THEN
    most := least(most, settled - keep_messages);
    before := 9223372036854775807;
  END IF;
  FOR s IN SELECT seq FROM message WHERE open = 0 AND settled_ms < before ORDER BY settled_ms, seq LIMIT most
      FOR UPDATE SKIP LOCKED LOOP
    PERFORM forget_message(s);
    gone := gone + 1;
  END LOOP;
  RETURN gone;
END
$$;

CREATE FUNCTION learn(most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  last bigint;
  many bigint;
BEGIN
  SELECT max(seq), count(*) INTO last, many FROM (SELECT seq FROM message
    WHERE seq > (SELECT value FROM mark WHERE name = 'learnt') ORDER BY seq LIMIT most) AS n;
  IF many > 0 THEN
    UPDATE mark SET value = last WHERE name = 'learnt';
  END IF;
  RETURN many;
END
$$;

-- ---- claims ----

-- Half of the deliveries by turns, from the one behind who was served last (at_turn), half the longest due.
CREATE FUNCTION claim(which text, most int, at_turn bigint, OUT paused boolean, OUT keys bigint[], OUT numbers int[],
    OUT more boolean, OUT next_in bigint, OUT served bigint) LANGUAGE plpgsql AS $$
DECLARE
  at bigint := now_ms();
  half int := most / 2;
  turns bigint[] := '{}';
  seen bigint[] := '{}';
  from_turn bigint := at_turn;
  t bigint;
  wrapped boolean := false;
  quota int;
  r record;
BEGIN
  keys := '{}'; numbers := '{}'; more := false; next_in := -1; served := at_turn;
  paused := EXISTS (SELECT 1 FROM pause p WHERE p.upstream IN ('', which));
  IF paused THEN
    RETURN;
  END IF;
  WHILE cardinality(turns) < 64 LOOP
    SELECT d.turn INTO t FROM delivery d WHERE d.state = 0 AND d.upstream = which AND d.turn > from_turn
      ORDER BY d.turn LIMIT 1;
    IF FOUND THEN
      EXIT WHEN wrapped AND t > at_turn;
      turns := turns || t;
      from_turn := t;
    ELSE
      EXIT WHEN wrapped;
      wrapped := true;
      from_turn := -9223372036854775808;
    END IF;
  END LOOP;
  IF cardinality(turns) >= 2 THEN
    FOREACH t IN ARRAY turns LOOP
      EXIT WHEN cardinality(keys) >= half;
      quota := least(cardinality(keys) + half / cardinality(turns) + 1, half);
      served := t;
      FOR r IN SELECT d.message, d.number FROM delivery d WHERE d.state = 0 AND d.handed = 0 AND d.upstream = which
          AND d.turn = t AND d.due_ms <= at ORDER BY d.due_ms, d.message, d.number LIMIT quota - cardinality(keys) LOOP
        keys := keys || r.message;
        numbers := numbers || r.number;
        seen := seen || (r.message * 65536 + r.number);
      END LOOP;
    END LOOP;
  END IF;
  FOR r IN SELECT d.message, d.number FROM delivery d WHERE d.state = 0 AND d.handed = 0 AND d.upstream = which
      AND d.due_ms <= at ORDER BY d.due_ms, d.message, d.number LIMIT most + cardinality(seen) + 1 LOOP
    CONTINUE WHEN (r.message * 65536 + r.number) = ANY (seen);
    IF cardinality(keys) >= most THEN
      more := true;
      EXIT;
    END IF;
    keys := keys || r.message;
    numbers := numbers || r.number;
  END LOOP;
  SELECT coalesce(d.due_ms - at, -1) INTO next_in FROM delivery d WHERE d.state = 0 AND d.handed = 0
    AND d.upstream = which AND d.due_ms > at ORDER BY d.due_ms LIMIT 1;
  next_in := coalesce(next_in, -1);
END
$$;

INSERT INTO version (number) VALUES (1);
