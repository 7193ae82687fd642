-- Version 2 of the store's tables. Rows are JSON in UTF-8; times are milliseconds since 1970, by the server's clock.
CREATE TABLE meta (
    version integer NOT NULL,
    -- Added to the server's clock, in milliseconds: for tests.
    clock_offset bigint NOT NULL DEFAULT 0
);
INSERT INTO meta (version) VALUES (2);

-- Open stores. One whose lease has passed is lost, and so are its calls in flight.
CREATE TABLE owners (
    id bigint PRIMARY KEY,
    lease_until bigint NOT NULL
);

-- Label and service, and the account's totals. Every change of an account also updates this row.
CREATE TABLE accounts (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name bytea NOT NULL UNIQUE,
    row bytea NOT NULL DEFAULT '{}'
);

-- One row per claimed call.
CREATE TABLE calls (
    account integer NOT NULL,
    id bigint NOT NULL,
    row bytea NOT NULL,
    -- The SHA-256 of the question's key; null with the question.
    key bytea,
    -- Null unless the call is in flight.
    owner bigint,
    is_unresolved boolean NOT NULL,
    is_answered boolean NOT NULL,
    -- When question and answer may be removed; null while they may not.
    due_at bigint,
    PRIMARY KEY (account, id)
);
CREATE INDEX calls_in_flight ON calls (account, owner) WHERE owner IS NOT NULL;
CREATE INDEX calls_unresolved ON calls (account, id) WHERE is_unresolved;
CREATE INDEX calls_due ON calls (account, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX calls_key ON calls (account, key, id) WHERE is_answered AND key IS NOT NULL;

-- The calls of each question.
CREATE TABLE questions (
    account integer NOT NULL,
    key bytea NOT NULL,
    name bytea NOT NULL,
    row bytea NOT NULL,
    blocking bigint,
    answered bigint,
    PRIMARY KEY (account, key)
);

CREATE TABLE answers (
    account integer NOT NULL,
    id bigint NOT NULL,
    answer bytea NOT NULL,
    PRIMARY KEY (account, id)
);

-- The people whom questions and answers name.
CREATE TABLE people (
    account integer NOT NULL,
    person bytea NOT NULL,
    id bigint NOT NULL,
    PRIMARY KEY (account, person, id)
);
CREATE INDEX people_id ON people (account, id);

-- Comparisons, purchases, and changes that people made.
CREATE TABLE journal (
    account integer NOT NULL,
    number bigint NOT NULL,
    row bytea NOT NULL,
    PRIMARY KEY (account, number)
);

-- For people who audit: the calls and totals as JSON.
CREATE VIEW audit AS SELECT account, id, convert_from(row, 'UTF8')::json AS call FROM calls;
CREATE VIEW books AS SELECT number, convert_from(name, 'UTF8')::json AS account, convert_from(row, 'UTF8')::json AS book FROM accounts;
