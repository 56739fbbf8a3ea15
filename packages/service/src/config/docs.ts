import { stringify } from 'yaml';
import { declaredDestinations, declaredSources } from '../objects/declared-drivers.ts';
import { objectsJsonSchema } from '../objects/json-schema.ts';
import { nodeConfigJsonSchema } from './node-config-table.ts';
import { placeholderForms } from './placeholders.ts';

/** As much of JSON Schema as the tables of fields make. */
interface FieldSchema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
  readonly items?: FieldSchema;
  readonly anyOf?: readonly FieldSchema[];
  readonly oneOf?: readonly FieldSchema[];
  readonly additionalProperties?: FieldSchema | boolean;
}

/** docs/configuration.md, from the tables; a test compares it with the file, and `vitest -u` writes it. */
export function configurationDocs(): string {
  return `${[
    '# Configuration',
    'Written by the tables in `packages/service/src/config` and `packages/service/src/objects`; a test compares the two.',
    "Two kinds of files, both YAML: a node's own file says how that node works; the cluster's objects (sources, destinations, tasks, notifications) say what is backed up, and are the same for all nodes. Both are checked whole before anything of them is used: a field that is not known, or out of range, is an error with file, line and column.",
    '## What all files share',
    bullets([
      'A duration is whole numbers with units, the largest first: `15s`, `5m`, `1h30m`, `14d`; the units are `d`, `h`, `m`, `s`, `ms`.',
      `Secrets are never written down: ${placeholderForms.replace(/\$\{[^}]*\}/g, code)} says where the node that needs one finds it. Where a placeholder is a whole user name, password or query value of a URL, what it stands for may hold any character. A URL may be a placeholder as a whole, such as \`$\{env:ORDERS_URL}\`. [credentials.md](credentials.md) has all ways.`,
      'A size is a number with its unit, `500MB` or `64MiB`; the units are `B`, `kB`, `MB`, `GB`, `TB`, each a thousand times the one before, and `KiB`, `MiB`, `GiB`, `TiB`, each 1024 times. A rate is a size per second, `50MiB/s`.',
      'Names are up to 63 small letters, digits and hyphens.',
      'Editors check files while you type, given a line at the top: `# yaml-language-server: $schema=…/docs/objects.schema.json` or `…/docs/holdfast.schema.json`.',
    ]),
    ...nodeDocs(),
    ...objectDocs(),
  ].join('\n\n')}\n`;
}

function nodeDocs(): string[] {
  return [
    "## A node's own file: holdfast.yaml",
    'Named with `--config`, else `/etc/holdfast/holdfast.yaml` for root and `~/.config/holdfast/holdfast.yaml` for others. There need not be one: everything has a default. A relative path is one from the folder of the file.',
    grid(nodeConfigJsonSchema() as FieldSchema),
    example(nodeExample),
  ];
}

function objectDocs(): string[] {
  const { properties = {} } = objectsJsonSchema() as FieldSchema;
  const kind = (name: string): FieldSchema => properties[name]?.additionalProperties as FieldSchema;
  return [
    "## The cluster's objects",
    'One or several files, several documents in a file if you like. What one object refers to may be in another file, or declared already. `holdfast export` prints what is declared, in this form.',
    example(objectsExample),
    '## Sources',
    'A database, by name. Its type says which fields it has.',
    ...typed(kind('sources'), declaredSources),
    '## Destinations',
    'A place that keeps backups, by name. Its type says which fields it has. No two may name the same place.',
    ...typed(kind('destinations'), declaredDestinations),
    '## Tasks',
    'An ongoing backup task, by name. The name is that of its folder at the destinations.',
    grid(kind('tasks')),
    '## Notifications',
    'Who is told of what happens to tasks, by name.',
    ...typed(kind('notifications'), []),
  ];
}

interface TypeExample {
  readonly type: string;
  readonly example: object;
}

function typed(schema: FieldSchema, examples: readonly TypeExample[]): string[] {
  return (schema.oneOf ?? [schema]).flatMap((one) => {
    const type = one.properties?.type?.const ?? '';
    const fields = examples.find((each) => each.type === type)?.example;
    return [
      `### type: ${type}`,
      `${one.description}.`,
      grid({
        ...one,
        properties: { type: { const: type, description: 'the kind of it' }, ...one.properties },
      }),
      ...(fields ? [`\`\`\`yaml\n${stringify({ type, ...fields }, { lineWidth: 0 })}\`\`\``] : []),
    ];
  });
}

/** Fields of fields as dotted names, the fields of a list's elements after `[]`. */
function grid(schema: FieldSchema): string {
  const rows = rowsOf(schema, '');
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    line(['field', 'value', 'what it says', 'default']),
    line(['---', '---', '---', '---']),
    ...rows.map(line),
  ].join('\n');
}

function rowsOf(schema: FieldSchema, prefix: string, required = 'required'): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix + name;
    const needed = schema.required?.includes(name) ?? false;
    if (field.properties) {
      const optional = !needed && field.default === undefined;
      return rowsOf(field, `${path}.`, optional ? `required with ${code(path)}` : 'required');
    }
    // What can be written in two ways: as one value, or by fields.
    const nested = field.anyOf?.find((one) => one.properties);
    const otherwise = field.default === undefined ? '' : code(valueText(field.default));
    return [
      [code(path), valueForm(field), field.description ?? '', needed ? required : otherwise],
      ...(nested ? rowsOf(nested, `${path}.`) : []),
      ...(field.items?.properties ? rowsOf(field.items, `${path}[].`) : []),
    ];
  });
}

function valueForm(field: FieldSchema): string {
  if (field.const !== undefined) return code(field.const);
  if (field.enum) return field.enum.map(code).join(', ');
  if (field.type === 'integer') return `${field.minimum} to ${field.maximum}`;
  if (field.type === 'boolean') return '`true`, `false`';
  return field.title ?? field.type ?? '';
}

function valueText(value: unknown): string {
  return typeof value === 'string'
    ? value
    : stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false }).trimEnd();
}

function code(text: string): string {
  return `\`${text}\``;
}

function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}

function example(text: string): string {
  return `\`\`\`yaml\n${text.trim()}\n\`\`\``;
}

const nodeExample = `
# holdfast.yaml
name: node-a
state: /var/lib/holdfast
stagingMax: 200GiB
bandwidth: 50MiB/s
listen:
  address: 0.0.0.0:6362
  tls: { cert: tls.crt, key: tls.key }
  token: $\{file:/run/secrets/holdfast-token}
  hosts: [backup.example.com]
limits: { runs: 2, stallAfter: 15m }
log: { level: info, format: json }
stop: { drainFor: 2m }
`;

const objectsExample = `
# objects.yaml
sources:
  orders: { type: postgres, url: "$\{env:ORDERS_URL}" }
destinations:
  near: { type: folder, path: /var/backups/holdfast }
  far: { type: folder, path: /mnt/far/holdfast, mount: required, verify: full }
  away:
    type: s3
    bucket: backups
    region: eu-central-1
    credentials: { command: [/usr/local/bin/backup-keys, s3], timeout: 20s }
    bandwidth:
      limit: 50MiB/s
      schedule:
        - { from: "08:00", to: "18:00", timezone: Europe/Berlin, limit: 5MiB/s }
tasks:
  orders:
    source: orders
    full: "0 2 * * 0"
    incremental: "*/15 * * * *"
    timezone: Europe/Berlin
    destinations: [near, far, away]
    require: 1
    jitter: 2m
    blackout:
      - { days: [mon, tue, wed, thu, fri], from: "08:00", to: "09:30" }
    overdueAfter: 1h
    behindAfter: 6h
    staging: stream
notifications:
  on-call: { type: webhook, url: "https://alerts.example/holdfast", secret: "$\{file:/run/secrets/hook}" }
  dba:
    type: email
    server: smtps://holdfast:$\{env:MAIL_PASSWORD}@mail.example
    from: Holdfast <holdfast@example.com>
    to: [dba@example.com]
    on: [failure, overdue, behind]
`;
