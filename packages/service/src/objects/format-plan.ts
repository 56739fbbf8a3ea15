import { stringify } from 'yaml';

const marks = { add: '+', change: '~', remove: '-' } as const;

/** A change as `planObjects` finds it, or as it comes through the API, which leaves out what is undefined. */
interface Change {
  readonly action: keyof typeof marks;
  readonly kind: string;
  readonly name: string;
  readonly fields: readonly FieldChange[];
}

interface FieldChange {
  readonly field: string;
  readonly from?: unknown;
  readonly to?: unknown;
}

/** A plan as people read it: one line for each object, its fields below, and how many of each on the last line. */
export function formatPlan(changes: readonly Change[]): string {
  if (changes.length === 0) return 'nothing to change\n';
  const lines = changes.flatMap((change) => [
    `${marks[change.action]} ${change.kind} ${change.name}`,
    ...(change.action === 'remove' ? [] : change.fields.map((field) => `    ${formatField(change, field)}`)),
  ]);
  const count = (action: Change['action']): number => changes.filter((each) => each.action === action).length;
  lines.push(`${count('add')} to add, ${count('change')} to change, ${count('remove')} to remove`);
  return `${lines.join('\n')}\n`;
}

function formatField({ action }: Change, { field, from, to }: FieldChange): string {
  if (action === 'add') return `${field}: ${formatValue(to)}`;
  return `${field}: ${formatValue(from)} -> ${formatValue(to)}`;
}

/** As it would stand in a file, on one line. */
function formatValue(value: unknown): string {
  if (value === undefined) return '(not set)';
  const text = stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false });
  return text
    .trimEnd()
    .replace(untellable, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** What a terminal would obey instead of showing it: control characters, line ends, changes of direction. */
const untellable = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
