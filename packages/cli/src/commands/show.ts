import { backupName, HoldfastError, type Manifest, relationOf, type SchemaStatement } from '@holdfast/core';
import { openBackups, type ShownBackup } from '@holdfast/service';
import type { Call, show } from '../commands.ts';
import type { Context } from '../context.ts';
import { pairs, table } from '../table.ts';
import { bytes, count, counted, duration, moment } from '../units.ts';
import { stock } from './cold-text.ts';

export async function runShow({ values, operands }: Call<typeof show>, context: Context): Promise<number> {
  const { signal } = context;
  await using backups = await openBackups(values.at, { signal });
  const [backup] = operands;
  const name = {
    ...(values.task === undefined ? {} : { task: values.task }),
    ...(backup === undefined ? {} : { backup }),
  };
  const shown: ShownBackup = await backups.show(name, { signal });
  const { manifest, schema } = shown;
  if (values.manifest) context.answer(manifest, () => `${JSON.stringify(manifest, undefined, 2)}\n`);
  else if (values.schema && shown.schemaIsCold) throw coldSchema(manifest);
  else if (values.schema) context.answer(schema, () => describeSchema(schema));
  else context.answer(shown, () => describeManifest(shown, context));
  return 0;
}

function coldSchema(manifest: Manifest): HoldfastError {
  const name = backupName(manifest.chain, manifest.sequence);
  return new HoldfastError('precondition_failed', `the schema of ${name} is in cold storage`, {
    hint: `holdfast restore --point ${name} --thaw standard --no-wait asks for what it needs to be thawed`,
  });
}

/** As a script that a client of the database can run; what is no statement stands in comments. */
function describeSchema(schema: readonly SchemaStatement[]): string {
  return schema.map(describeStatement).join('\n');
}

function describeStatement({ section, type, name, text }: SchemaStatement): string {
  const title = `-- ${section} ${type} ${name}`.trimEnd();
  const words = text.trim();
  // SQLite makes tables of its own by itself, and takes no statement that does.
  if (section === 'database' || /^CREATE TABLE sqlite_/i.test(words))
    return words === '' ? `${title}\n` : `${title}: ${words.replaceAll('\n', '\n--   ')}\n`;
  // It also keeps its statements without an end.
  return `${title}\n${words}${words.endsWith(';') ? '' : ';'}\n`;
}

function describeManifest({ manifest, cold }: ShownBackup, context: Context): string {
  const { source, totals, from, to } = manifest;
  const facts: [string, string][] = [
    ['task', manifest.task],
    ['source', `${source.type} ${source.name} ${source.version}`],
    [
      'made',
      `${moment(manifest.startedAtMs)} by ${manifest.node} (generation ${manifest.generation}), Holdfast ${manifest.holdfast}`,
    ],
    ['took', duration(manifest.finishedAtMs - manifest.startedAtMs)],
    [
      'covers',
      `${from ? `${moment(from.timeMs)} … ` : 'up to '}${moment(to.timeMs)}, position ${to.position}`,
    ],
    [
      'size',
      `${counted(totals.rows, 'row')}, ${bytes(totals.rawBytes)} in ${bytes(totals.storedBytes)}, ${counted(manifest.segments.length, 'segment')}`,
    ],
  ];
  if (cold) facts.push(['cold', stock(cold)]);
  if (manifest.gap) facts.push(['gap', manifest.gap.reason]);
  if (manifest.dropped.length > 0) facts.push(['dropped', manifest.dropped.join(', ')]);
  const name = backupName(manifest.chain, manifest.sequence);
  const title = `${manifest.scope === 'full' ? `Full backup (${manifest.type})` : 'Incremental backup'} ${name}`;
  return `${context.colors.bold(title)}\n${pairs(facts)}\n${relations(manifest)}`;
}

/** What it holds of each table, partitions apart, key ranges together. */
function relations(manifest: Manifest): string {
  const sums = new Map<string, { kind: string; path: string; rows: number; stored: number }>();
  const add = (kind: string, path: string, rows: number, stored: number): void => {
    const sum = sums.get(`${kind} ${path}`) ?? { kind, path, rows: 0, stored: 0 };
    sums.set(`${kind} ${path}`, { ...sum, rows: sum.rows + rows, stored: sum.stored + stored });
  };
  for (const chunk of manifest.chunks) {
    add(chunk.kind, relationOf(chunk.path), chunk.rows, chunk.bytes);
    for (const [path, rows] of Object.entries(chunk.tables ?? {})) add('changes of', path, rows, 0);
  }
  return table(
    [
      { title: 'PATH' },
      { title: 'KIND' },
      { title: 'ROWS', align: 'right' },
      { title: 'STORED', align: 'right' },
    ],
    [...sums.values()].map((sum) => [
      sum.path,
      sum.kind,
      count(sum.rows),
      sum.stored === 0 ? '' : bytes(sum.stored),
    ]),
  );
}
