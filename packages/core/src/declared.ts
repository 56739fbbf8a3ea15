import type { TaskType } from './manifest.ts';

/**
 * What people declare in files and the cluster keeps: sources, destinations, tasks, notifications, by name. Durations
 * and cron expressions stay as they were written; secrets are placeholders, filled in by the node that uses them.
 */
export interface DeclaredObjects {
  readonly sources: Readonly<Record<string, DeclaredSource>>;
  readonly destinations: Readonly<Record<string, DeclaredDestination>>;
  readonly tasks: Readonly<Record<string, DeclaredTask>>;
  readonly notifications: Readonly<Record<string, DeclaredNotification>>;
}

/** The fields beside these are the driver's own: its table says which, and turns them into a URL. */
export interface DeclaredSource {
  readonly type: string;
  readonly [option: string]: unknown;
}

export interface DeclaredDestination {
  readonly type: string;
  /** Nothing new is pushed there; what is there stays. */
  readonly disabled?: boolean;
  readonly [option: string]: unknown;
}

export interface DeclaredTask {
  readonly source: string;
  readonly type: TaskType;
  /** Cron expressions, five fields or six (seconds first); at least one of the two. */
  readonly full?: string;
  readonly incremental?: string;
  /** IANA name. */
  readonly timezone: string;
  readonly destinations: readonly string[];
  /** How many destinations must hold a backup for it to count. */
  readonly require: 'all' | number;
  /** No occurrence is taken; runs by hand are refused. */
  readonly disabled?: boolean;
  /** Each occurrence starts up to this much later, always by the same amount for the same task. A duration. */
  readonly jitter?: string;
  /** While one of these lasts, nothing starts by schedule. */
  readonly blackout?: readonly BlackoutWindow[];
  /** How long after an occurrence a good backup may be missing before the task is overdue. A duration. */
  readonly overdueAfter?: string;
  /** How long a destination may be behind before that is told. A duration; an hour by default. */
  readonly behindAfter?: string;
  /** `stream`: a backup need not fit into staging; its segments go as soon as every destination holds them. */
  readonly staging?: 'whole' | 'stream';
  /** Which nodes may run it, and which of them rather. */
  readonly nodes?: NodePreference;
}

export interface NodePreference {
  /** Runs the task whenever it is alive. */
  readonly prefer?: string;
  /** Only the preferred node runs it, even if that means that nobody does. */
  readonly pin?: boolean;
  /** A node must have all of them. */
  readonly tags?: readonly string[];
}

/** A weekly window, in the task's time zone; `to` before `from` ends on the next day. */
export interface BlackoutWindow {
  /** `mon` … `sun`: the days on which it begins; absent: every day. */
  readonly days?: readonly string[];
  /** `HH:MM` */
  readonly from: string;
  readonly to: string;
}

/** `behind`: a destination lacks backups that the task has elsewhere, for longer than its `behindAfter`. */
export type NotificationEvent = 'failure' | 'recovery' | 'overdue' | 'behind';

export type DeclaredNotification =
  | {
      readonly type: 'webhook';
      readonly url: string;
      /** Signs each message (HMAC-SHA-256). A placeholder. */
      readonly secret?: string;
      readonly on?: readonly NotificationEvent[];
    }
  | {
      readonly type: 'email';
      /** `smtp://user:${file:…}@host:587` or `smtps://…` */
      readonly server: string;
      readonly from: string;
      readonly to: readonly string[];
      readonly on?: readonly NotificationEvent[];
    };
