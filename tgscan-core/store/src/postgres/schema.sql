-- Version 1 of the store's tables. Times are milliseconds since 1970, by the server's clock.

CREATE TABLE meta (
    version integer NOT NULL,
    -- Added to the server's clock, in milliseconds: for tests.
    clock_offset bigint NOT NULL DEFAULT 0
);
INSERT INTO meta (version) VALUES (1);

-- One number per open store. Its session holds an advisory lock on it, so that others see whether it lives.
CREATE SEQUENCE owners AS integer CYCLE;

-- One row per claimed call. States: 0 in flight, 1 answered, 2 answered at an uncertain cost, 3 uncertain, 4 unanswered
-- and charged, 5 settled.
CREATE TABLE calls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    is_live boolean NOT NULL,
    method text NOT NULL,
    -- Null once it expired or was erased.
    form text,
    -- The SHA-256 of the question's key; null with the form.
    key bytea,
    claimed_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    state smallint NOT NULL DEFAULT 0,
    charged bigint NOT NULL DEFAULT 0,
    -- The call before this one with the same question.
    previous bigint,
    owner integer NOT NULL,
    status smallint,
    answered_at bigint,
    -- What the answer cost: 0 nothing, 1 `answer_credits`, 2 uncertain.
    answer_cost smallint,
    answer_credits bigint,
    answer bytea
);
CREATE INDEX calls_open ON calls (account, id) WHERE state IN (0, 2, 3, 4);
CREATE INDEX calls_expiry ON calls (expires_at) WHERE form IS NOT NULL;
CREATE INDEX calls_key ON calls (key) WHERE key IS NOT NULL;
-- Answers are JSON in clear text; compressing them is the server's business, and updates of a row do not copy them.

-- The last call with each question.
CREATE TABLE holders (
    key bytea PRIMARY KEY,
    call bigint NOT NULL
);

-- Totals, which follow from the rows and change with them. An account's row is locked by whatever changes its calls.
CREATE TABLE accounts (
    account text PRIMARY KEY,
    charged bigint NOT NULL DEFAULT 0,
    unexplained bigint NOT NULL DEFAULT 0,
    balance bigint,
    balance_charged bigint,
    revision bigint NOT NULL DEFAULT 0,
    reconciled bigint NOT NULL DEFAULT 0,
    last_call bigint NOT NULL DEFAULT 0,
    stranded_up_to bigint NOT NULL DEFAULT 0,
    last_uncertain_at bigint
);
CREATE TABLE books (
    account text NOT NULL REFERENCES accounts,
    method text NOT NULL,
    price bigint,
    in_flight bigint NOT NULL DEFAULT 0,
    uncertain bigint NOT NULL DEFAULT 0,
    stranded bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, method)
);

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + clock_offset FROM meta
$$;

-- The first of the two numbers of an owner's advisory lock.
CREATE FUNCTION lock_class() RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT hashtext('tgscan-store ' || current_schema())
$$;

-- Books that a call became uncertain.
CREATE FUNCTION became_uncertain(p_account text, p_method text, p_now bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE books SET uncertain = uncertain + 1 WHERE account = p_account AND method = p_method;
    UPDATE accounts SET last_uncertain_at = greatest(last_uncertain_at, p_now) WHERE account = p_account;
$$;

-- Turns calls in flight into uncertain ones whose owner's session is gone, and with it the lock. The account's row is
-- locked.
CREATE FUNCTION bury(p_account text, p_owner integer, p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_owner integer;
    v_method text;
BEGIN
    FOR v_owner IN
        SELECT DISTINCT owner FROM calls
        WHERE account = p_account AND state IN (0, 2, 3, 4) AND state = 0 AND owner <> p_owner
    LOOP
        -- Shared, so that two who look at the same time both see it.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock_shared(lock_class(), v_owner);
        FOR v_method IN
            UPDATE calls SET state = 3
            WHERE account = p_account AND state IN (0, 2, 3, 4) AND state = 0 AND owner = v_owner
            RETURNING method
        LOOP
            UPDATE books SET in_flight = in_flight - 1 WHERE account = p_account AND method = v_method;
            UPDATE accounts SET revision = revision + 1 WHERE account = p_account;
            PERFORM became_uncertain(p_account, v_method, p_now);
        END LOOP;
    END LOOP;
END
$$;

-- The calls with a question, the last one first. What expired or was erased is not among them.
CREATE FUNCTION calls_with(p_key bytea) RETURNS SETOF calls LANGUAGE sql STABLE AS $$
    WITH RECURSIVE chain AS (
        SELECT calls.* FROM holders JOIN calls ON calls.id = holders.call WHERE holders.key = p_key
        UNION ALL
        SELECT calls.* FROM chain JOIN calls ON calls.id = chain.previous
    )
    SELECT * FROM chain WHERE form IS NOT NULL ORDER BY id DESC
$$;

-- The call whose answer serves a question, if there is one that is young enough.
CREATE FUNCTION find_answer(p_key bytea, p_max_age bigint, p_now bigint) RETURNS SETOF calls LANGUAGE sql STABLE AS $$
    SELECT * FROM calls_with(p_key)
    WHERE answer IS NOT NULL AND p_now < expires_at AND p_now - answered_at <= p_max_age
    ORDER BY id DESC LIMIT 1
$$;

-- What a call of a method sets aside under a cap; null if nothing is known about its price.
CREATE FUNCTION set_aside(p_price bigint, p_reserve bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_reserve IS NULL THEN p_price ELSE greatest(coalesce(p_price, 0), p_reserve, 1) END
$$;

-- A number of credits that fits.
CREATE FUNCTION clamp(p numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT least(p, 9223372036854775807)::bigint
$$;

-- Claims a question. Kinds: 0 granted, 1 stored, 2 in flight, 3 uncertain, 4 cap reached, 5 not stored.
CREATE FUNCTION claim(
    p_key bytea, p_account text, p_is_live boolean, p_method text, p_form text, p_max_age bigint, p_keep_for bigint,
    p_stored_only boolean, p_cap bigint, p_reserve bigint, p_pay_again_after bigint, p_owner integer,
    OUT kind smallint, OUT call bigint, OUT age bigint, OUT charged bigint, OUT status smallint, OUT body bytea,
    OUT answer_cost smallint, OUT in_flight bigint, OUT uncertain bigint, OUT price bigint, OUT in_flight_is_open boolean,
    OUT uncertain_is_open boolean
) LANGUAGE plpgsql AS $$
DECLARE
    v_key bytea := sha256(p_key);
    v_now bigint := now_ms();
    v_found calls;
    v_account accounts;
BEGIN
    -- A stored answer needs no lock; all else is decided under it, where it is looked for again.
    FOR pass IN 1..2 LOOP
        IF p_max_age IS NOT NULL THEN
            SELECT * INTO v_found FROM find_answer(v_key, p_max_age, v_now);
            IF FOUND THEN
                kind := 1; call := v_found.id; age := greatest(v_now - v_found.answered_at, 0);
                status := v_found.status; body := v_found.answer;
                answer_cost := v_found.answer_cost; charged := v_found.answer_credits;
                RETURN;
            END IF;
        END IF;
        IF p_stored_only THEN
            kind := 5;
            RETURN;
        END IF;
        EXIT WHEN pass = 2;
        INSERT INTO accounts (account) VALUES (p_account) ON CONFLICT DO NOTHING;
        PERFORM 1 FROM accounts WHERE account = p_account FOR UPDATE;
        v_now := now_ms();
        PERFORM bury(p_account, p_owner, v_now);
    END LOOP;

    -- What stands in the way: in flight, or ended without an answer and not settled.
    SELECT * INTO v_found FROM calls_with(v_key) AS standing
    WHERE standing.state IN (0, 3, 4) ORDER BY standing.id DESC LIMIT 1;
    age := greatest(v_now - v_found.claimed_at, 0);
    IF v_found.state = 0 THEN
        kind := 2; call := v_found.id;
        RETURN;
    END IF;
    IF v_found.state IN (3, 4) AND (p_pay_again_after IS NULL OR age < p_pay_again_after) THEN
        kind := 3; call := v_found.id;
        charged := CASE WHEN v_found.state = 4 THEN v_found.charged END;
        RETURN;
    END IF;

    IF p_cap IS NOT NULL THEN
        SELECT * INTO v_account FROM accounts WHERE accounts.account = p_account;
        SELECT
            clamp(coalesce(sum(books.in_flight::numeric * coalesce(set_aside(books.price, p_reserve), 1)), 0)),
            clamp(coalesce(sum(books.uncertain::numeric * coalesce(set_aside(books.price, p_reserve), 1)), 0)),
            coalesce(bool_or(books.in_flight > 0 AND set_aside(books.price, p_reserve) IS NULL), false),
            coalesce(bool_or(books.uncertain > 0 AND set_aside(books.price, p_reserve) IS NULL), false),
            set_aside(max(books.price) FILTER (WHERE books.method = p_method), p_reserve)
        INTO in_flight, uncertain, in_flight_is_open, uncertain_is_open, price
        FROM books WHERE books.account = p_account;
        charged := clamp(v_account.charged::numeric + v_account.unexplained);
        IF in_flight_is_open OR uncertain_is_open
            OR p_cap - (charged::numeric + in_flight + uncertain) < coalesce(price, 1)
        THEN
            kind := 4;
            RETURN;
        END IF;
    END IF;

    INSERT INTO calls (account, is_live, method, form, key, claimed_at, expires_at, owner, previous)
    VALUES (
        p_account, p_is_live, p_method, p_form, v_key, v_now, clamp(v_now::numeric + p_keep_for), p_owner,
        (SELECT holders.call FROM holders WHERE holders.key = v_key)
    )
    RETURNING id INTO call;
    INSERT INTO holders (key, call) VALUES (v_key, claim.call) ON CONFLICT (key) DO UPDATE SET call = excluded.call;
    INSERT INTO books (account, method, in_flight) VALUES (p_account, p_method, 1)
    ON CONFLICT (account, method) DO UPDATE SET in_flight = books.in_flight + 1;
    UPDATE accounts SET revision = revision + 1, last_call = claim.call WHERE accounts.account = p_account;
    kind := 0;
END
$$;

-- Takes a call out of those with its question. The last one takes the key along, which is made of the query.
CREATE FUNCTION release(p_call calls) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_next bigint;
BEGIN
    UPDATE calls SET previous = p_call.previous WHERE key = p_call.key AND previous = p_call.id;
    SELECT max(id) INTO v_next FROM calls WHERE key = p_call.key AND id <> p_call.id AND id < p_call.id AND form IS NOT NULL;
    IF v_next IS NULL THEN
        DELETE FROM holders WHERE key = p_call.key AND call = p_call.id;
    ELSE
        UPDATE holders SET call = v_next WHERE key = p_call.key AND call = p_call.id;
    END IF;
END
$$;

-- The balance that was seen first had lost already what a stranded call cost.
CREATE FUNCTION lost_before(p_call calls, p_credits bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE accounts SET balance_charged = balance_charged + p_credits
    WHERE account = p_call.account AND balance IS NOT NULL AND p_call.id <= stranded_up_to;
$$;

-- Books that an uncertain call is uncertain no longer.
CREATE FUNCTION no_longer_uncertain(p_call calls) RETURNS void LANGUAGE sql AS $$
    UPDATE books SET
        uncertain = greatest(uncertain - 1, 0),
        stranded = least(
            greatest(
                stranded - CASE WHEN p_call.id <= (SELECT stranded_up_to FROM accounts WHERE account = p_call.account) THEN 1 ELSE 0 END,
                0
            ),
            greatest(uncertain - 1, 0)
        )
    WHERE account = p_call.account AND method = p_call.method;
    UPDATE accounts SET revision = revision + 1 WHERE account = p_call.account;
$$;

-- Books how a call ended. Kinds: 0 not charged, 1 answered, 2 unanswered. Costs: 0 nothing, 1 `p_credits`, 2 uncertain.
CREATE FUNCTION settle(
    p_call bigint, p_kind smallint, p_cost smallint, p_credits bigint, p_status smallint, p_body bytea
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_call calls;
    v_now bigint;
    v_state smallint;
    v_charged bigint := CASE WHEN p_cost = 1 THEN p_credits ELSE 0 END;
BEGIN
    -- The account first, as everywhere, so that nothing waits in a circle.
    PERFORM 1 FROM accounts WHERE account = (SELECT account FROM calls WHERE id = p_call) FOR UPDATE;
    SELECT * INTO v_call FROM calls WHERE id = p_call FOR UPDATE;
    -- A call that is gone was settled as not charged.
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_now := now_ms();
    IF v_call.state = 0 THEN
        UPDATE books SET in_flight = greatest(in_flight - 1, 0) WHERE account = v_call.account AND method = v_call.method;
    ELSIF v_call.state = 3 AND p_kind <> 0 AND p_cost = 2 THEN
        -- It is as uncertain as before, and as far from what a balance can settle.
        IF p_kind = 2 THEN
            RETURN;
        END IF;
    ELSIF v_call.state = 3 THEN
        -- Its owner was taken for dead.
        PERFORM no_longer_uncertain(v_call);
        IF p_kind <> 0 THEN
            PERFORM lost_before(v_call, v_charged);
        END IF;
    ELSIF v_call.state <> 5 OR v_call.answer IS NOT NULL OR p_kind <> 1 THEN
        RETURN;
    END IF;
    IF v_call.state <> 5 THEN
        IF p_kind = 0 THEN
            PERFORM release(v_call);
            DELETE FROM calls WHERE id = p_call;
            RETURN;
        END IF;
        v_state := CASE
            WHEN p_kind = 1 THEN CASE WHEN p_cost = 2 THEN 2 ELSE 1 END
            WHEN p_cost = 2 THEN 3
            ELSE 4
        END;
        UPDATE calls SET state = v_state, charged = v_charged WHERE id = p_call;
        IF p_cost = 2 AND v_call.state = 3 THEN
            -- Its totals stand.
            NULL;
        ELSIF p_cost = 2 THEN
            PERFORM became_uncertain(v_call.account, v_call.method, v_now);
        ELSIF v_charged > 0 OR p_kind = 2 THEN
            UPDATE books SET price = greatest(price, v_charged) WHERE account = v_call.account AND method = v_call.method;
            UPDATE accounts SET charged = clamp(charged::numeric + v_charged) WHERE account = v_call.account;
        END IF;
    END IF;
    IF p_kind = 1 AND v_call.form IS NOT NULL THEN
        UPDATE calls SET status = p_status, answered_at = v_now, answer_cost = p_cost, answer_credits = p_credits, answer = p_body
        WHERE id = p_call;
    END IF;
END
$$;

-- Removes questions and answers whose time is over; returns how many.
CREATE FUNCTION expire(p_limit integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_gone bigint[];
BEGIN
    SELECT array_agg(id) INTO v_gone FROM (
        SELECT id FROM calls
        WHERE expires_at <= now_ms() AND form IS NOT NULL AND state IN (1, 2, 5)
        ORDER BY expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) AS due;
    PERFORM forget(v_gone);
    RETURN coalesce(array_length(v_gone, 1), 0);
END
$$;

-- Removes questions and answers of calls, and leaves what they cost.
CREATE FUNCTION forget(p_calls bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_call calls;
BEGIN
    FOR v_call IN SELECT * FROM calls WHERE id = ANY (p_calls) AND form IS NOT NULL ORDER BY id FOR UPDATE LOOP
        PERFORM release(v_call);
        UPDATE calls SET form = NULL, key = NULL, answer = NULL WHERE id = v_call.id;
    END LOOP;
END
$$;
