// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import type { CommandSpec, OperandSpec } from './command-spec.ts';
import { nodeCommands } from './node-commands.ts';
import { serverOptions } from './node-options.ts';
import {
  backupOptions,
  checkOptions,
  copyOptions,
  doctorOptions,
  listOptions,
  restoreOptions,
  showOptions,
} from './options.ts';

export type { Call, CommandSpec, OperandSpec } from './command-spec.ts';

export const backup = {
  name: 'backup',
  summary: 'back up a database to one or more destinations',
  description:
    'Makes an incremental where the destination holds a chain that it can continue, else a full backup. It exists once its manifest is stored at every destination; until then nothing is listed. A run that was interrupted goes on when the same command runs again.',
  options: backupOptions,
  examples: [
    {
      says: 'A PostgreSQL database into a folder; the password comes from the environment',
      line: "holdfast backup --from 'postgres://backup:${env:PGPASSWORD}@db1/shop' --to file:/mnt/backups",
    },
    {
      says: 'An SQLite file to two places, as a task with a name of its own',
      line: 'holdfast backup --from sqlite:./shop.db --to file:./near --to file:/mnt/far --name shop-eu',
    },
    {
      says: 'A full backup that leaves nothing on the server',
      line: 'holdfast backup --full --from postgres://db1/shop --to file:/mnt/backups',
    },
  ],
  runs: true,
} as const satisfies CommandSpec;

export const copy = {
  name: 'copy',
  summary: "copy a task's backups from one destination to another",
  description:
    'Oldest first, without asking the database for anything. What is there is not sent again, and what broke off is gone on with by the same command. By declared names a node does it; by URLs this command does, without a node. A destination that is behind gets its copies from its node by itself. Exit code 2 when a chain could not be copied.',
  options: [...copyOptions, ...serverOptions],
  examples: [
    {
      says: 'On a node: what one destination lacks, now',
      line: 'holdfast copy --task orders --from near --to far',
    },
    {
      says: 'Without a node: everything, to another place',
      line: 'holdfast copy --task shop --from file:/mnt/backups --to s3://archive/backups',
    },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const list = {
  name: 'list',
  summary: 'list tasks, chains, backups and the moments they can be restored to',
  description: 'Reads the destination alone: what is listed is what is there.',
  options: listOptions,
  examples: [
    { says: 'Everything at a destination', line: 'holdfast list --at file:/mnt/backups' },
    {
      says: 'Where the rows of one table are',
      line: 'holdfast list --at file:/mnt/backups --task shop --table public.orders',
    },
    {
      says: 'The newest backup of each task, for a script',
      line: "holdfast list --at file:/mnt/backups --json | jq -r '.tasks[] | .chains[-1].backups[-1].backup'",
    },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const show = {
  name: 'show',
  summary: 'show one backup: what it holds, its manifest, its schema',
  description: 'Without BACKUP: the newest backup of the task.',
  operand: {
    label: 'BACKUP',
    least: 0,
    many: false,
    url: false,
    help: 'a backup as `list` names it (CHAIN/0003), or a chain: its newest backup',
  },
  options: showOptions,
  examples: [
    { says: 'The newest backup', line: 'holdfast show --at file:/mnt/backups --task shop' },
    {
      says: 'The statements that make its tables',
      line: 'holdfast show 20261120T140000Z-db1-g0/0003 --at file:/mnt/backups --schema',
    },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const check = {
  name: 'check',
  summary: 'read backups again and print only what is wrong',
  description:
    'Reads every byte, decompresses it, and compares checksums and row counts with the manifests. What lies in cold storage is not read: that it is there, and of the right size, is looked at, and the summary says so. Exit code 4 when anything is wrong.',
  operand: {
    label: 'PATH',
    least: 0,
    many: true,
    url: false,
    help: 'chunk paths with % and ? as wildcards, backups or chains; none: everything',
  },
  options: checkOptions,
  examples: [
    { says: 'Everything at a destination', line: 'holdfast check --at file:/mnt/backups' },
    {
      says: 'One table, in all backups of a task',
      line: "holdfast check '/public.orders%' --at file:/mnt/backups --task shop",
    },
  ],
  runs: true,
} as const satisfies CommandSpec;

export const restore = {
  name: 'restore',
  summary: 'restore a database, as of its newest backup or any moment inside a chain',
  description:
    'Builds the database under a temporary name, compares every chunk with its manifest, and gives it its name at the very end. What was there before is never touched; a restore that fails leaves nothing behind. What lies in cold storage has to be thawed first: --plan says what that takes, --thaw asks for it.',
  options: restoreOptions,
  examples: [
    {
      says: 'The newest backup into a new database',
      line: 'holdfast restore --at file:/mnt/backups --task shop --to postgres://db2/shop_restored',
    },
    {
      says: 'What a restore to a moment would do',
      line: 'holdfast restore --at file:/mnt/backups --to postgres://db2/shop --point 2026-11-20T14:00:00Z --plan',
    },
    {
      says: 'One backup by name, read back and compared',
      line: 'holdfast restore --at file:./near --to sqlite:./new.db --point 20261120T140000Z-db1-g0/0003 --verify',
    },
    {
      says: 'From cold storage: ask now, and run the same again when it is ready',
      line: 'holdfast restore --at s3://archive/backups --to postgres://db2/shop --thaw bulk --no-wait',
    },
  ],
  runs: true,
} as const satisfies CommandSpec;

export const doctor = {
  name: 'doctor',
  summary: 'prove that sources and destinations can be used, and say what is missing',
  description:
    'Looks at access, privileges and settings of a source. At a destination it stores scratch objects below holdfast-doctor/, reads, lists and deletes them, and says how long each step took; whatever happens, they are removed, or named. What the credentials may not do is a warning that says what then cannot be done.',
  operand: {
    label: 'URL',
    least: 1,
    many: true,
    url: true,
    help: 'a source or a destination; with --file also the name of a declared one, such as far, or destinations.far where a source has that name too',
  },
  options: doctorOptions,
  examples: [
    {
      says: 'Both ends of a backup, before its first run',
      line: "holdfast doctor 'postgres://backup:${env:PGPASSWORD}@db1/shop' file:/mnt/backups",
    },
    {
      says: 'A destination as it is declared, with its credentials, before it is applied',
      line: 'holdfast doctor -f objects.yaml far',
    },
  ],
  runs: false,
} as const satisfies CommandSpec;

const sourceOperand = {
  label: 'URL',
  least: 1,
  many: false,
  url: true,
  help: 'the source',
} as const satisfies OperandSpec;

export const sourcePrepare = {
  name: 'source prepare',
  summary: "make what incrementals need in the user's database, and say what that is",
  description: 'Changes the database; only some sources need it, and `doctor` says when.',
  operand: sourceOperand,
  options: [],
  examples: [
    { says: 'Triggers for incrementals of SQLite', line: 'holdfast source prepare sqlite:./shop.db' },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const sourceForget = {
  name: 'source forget',
  summary: "remove everything that Holdfast ever made in the user's database",
  description: 'Chains that keep their changes there end: the next backup of each is a full one.',
  operand: sourceOperand,
  options: [],
  examples: [
    { says: 'Leave no slot behind on a server', line: 'holdfast source forget postgres://db1/shop' },
  ],
  runs: false,
} as const satisfies CommandSpec;

export const commands: readonly CommandSpec[] = [
  ...nodeCommands,
  backup,
  copy,
  list,
  show,
  check,
  restore,
  doctor,
  sourcePrepare,
  sourceForget,
];
