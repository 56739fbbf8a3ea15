import { describe, expect, it } from 'vitest';
import { readEntries } from './dump-entries.ts';

const dump = `--
-- PostgreSQL database dump
--

\\restrict 6fT0

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: odd; Type: TABLE; Schema: pub;lic; Owner: o
--

CREATE TABLE "pub;lic".odd (
    a text DEFAULT ';
-- Name: not; Type: VIEW; Schema: me; Owner: o
'
);


ALTER TABLE "pub;lic".odd OWNER TO o;

SET default_tablespace = fast;

--
-- Name: next; Type: TABLE; Schema: public; Owner: o; Tablespace: fast
--

CREATE TABLE public.next ();

--
-- Name: EXTENSION citext; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION citext IS 'x';

--
-- PostgreSQL database dump complete
--

\\unrestrict 6fT0
`;

describe('the entries of pg_dump', () => {
  const entries = readEntries(dump, 'pre-data');

  it('are one per object, named and typed by its header alone', () => {
    expect(entries.map(({ type, name }) => [type, name])).toEqual([
      ['TABLE', 'pub;lic.odd'],
      ['TABLE', 'public.next'],
      ['COMMENT', 'EXTENSION citext'],
    ]);
  });

  it('hold all statements of the object, its owner last', () => {
    expect(entries[0]?.text).toMatch(
      /CREATE TABLE[\s\S]*-- Name: not[\s\S]*\);\nALTER TABLE "pub;lic"\.odd OWNER TO o;$/,
    );
  });

  it('say each for themselves where they are kept', () => {
    expect(entries[0]?.text).toMatch(
      /^SET default_tablespace = '';\nSET default_table_access_method = heap;\n/,
    );
    expect(entries[1]?.text).toMatch(
      /^SET default_tablespace = fast;\nSET default_table_access_method = heap;\nCREATE TABLE/,
    );
    expect(entries[2]?.text).toBe("COMMENT ON EXTENSION citext IS 'x';");
  });
});
