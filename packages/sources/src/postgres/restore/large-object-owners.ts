import { quoteIdentifier, quoteLiteral } from '../full/names.ts';
import type { Session } from '../session/session.ts';
import type { TextRow } from './json-rows.ts';
import { makeLargeObjects } from './large-objects.ts';
import type { SpecialPart } from './special.ts';

/** A statement about a large object is a lock until the commit. */
const objectsMax = 200;

/** Rows `[oid, owner, acl or null, comment or null]`, of every large object. Doing it twice does no harm. */
export async function loadLargeObjectOwners(o: SpecialPart & { readonly noOwner: boolean }): Promise<void> {
  const [me] = await o.session.rows<{ name: string }>('SELECT current_user AS name');
  const privileges = new Privileges(o.session);
  for await (const rows of o.rows) {
    await makeLargeObjects(
      o,
      rows.map(([oid]) => oid as string),
    );
    const statements: string[][] = [];
    for (const row of rows) {
      const made = await statementsOf(row, { privileges, me: me?.name, noOwner: o.noOwner });
      if (made.length > 0) statements.push(made);
    }
    for (let at = 0; at < statements.length; at += objectsMax) {
      o.signal.throwIfAborted();
      const batch = statements.slice(at, at + objectsMax).flat();
      await o.session.exec(batch.join(';\n'), 'restoring owners of large objects');
    }
  }
  await o.session.exec(o.note, 'noting the owners of large objects');
}

async function statementsOf(
  [oid, owner, acl, comment]: TextRow,
  o: { readonly privileges: Privileges; readonly me: string | undefined; readonly noOwner: boolean },
): Promise<string[]> {
  const object = `LARGE OBJECT ${Number(oid)}`;
  const made: string[] = [];
  if (comment) made.push(`COMMENT ON ${object} IS ${quoteLiteral(comment)}`);
  if (o.noOwner) return made;
  if (owner && owner !== o.me) made.push(`ALTER ${object} OWNER TO ${quoteIdentifier(owner)}`);
  if (!acl || !owner) return made;
  made.push(`REVOKE ALL ON ${object} FROM ${quoteIdentifier(owner)}`);
  for (const { privilege, grantee, grantable } of await o.privileges.of(acl)) {
    const whom = grantee === null ? 'PUBLIC' : quoteIdentifier(grantee);
    made.push(`GRANT ${privilege} ON ${object} TO ${whom}${grantable ? ' WITH GRANT OPTION' : ''}`);
  }
  return made;
}

interface Privilege {
  readonly privilege: string;
  /** Null: PUBLIC. */
  readonly grantee: string | null;
  readonly grantable: boolean;
}

/** Many objects have few different ACLs; the server knows best how to read them. */
class Privileges {
  readonly #session: Session;
  readonly #known = new Map<string, readonly Privilege[]>();

  constructor(session: Session) {
    this.#session = session;
  }

  async of(acl: string): Promise<readonly Privilege[]> {
    const known = this.#known.get(acl);
    if (known) return known;
    const found = await this.#session.rows<Privilege>(
      `SELECT privilege_type AS privilege, is_grantable AS grantable,
         CASE WHEN grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(grantee) END AS grantee
       FROM pg_catalog.aclexplode($1::pg_catalog.aclitem[])`,
      [acl],
      'reading the privileges of large objects',
    );
    this.#known.set(acl, found);
    return found;
  }
}
