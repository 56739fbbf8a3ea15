-- Run once by the PostgreSQL image, as its superuser: a database to back up, and the role that does it.
\set password `cat /run/secrets/postgres-password`
CREATE ROLE holdfast LOGIN REPLICATION PASSWORD :'password';
GRANT pg_read_all_data TO holdfast;
CREATE TABLE item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, made timestamptz DEFAULT now());
INSERT INTO item (name) SELECT 'item ' || n FROM generate_series(1, 1000) AS n;
