import type { ErrorCode } from '@holdfast/core';
import type { z } from 'zod';

/**
 * What a route answers with.
 * - `json`: one document, of the schema `response`;
 * - `text`: text that `response` (a string) describes;
 * - `lines`: text, one JSON document of the schema `response` per line;
 * - `events`: a stream of server-sent events, each of the schema `response`, for as long as the client reads.
 */
export type RouteKind = 'json' | 'text' | 'lines' | 'events';

/**
 * One row of the contract. Everything that callers send is one flat object: parameters of the path, of the query and
 * fields of the body have names of their own.
 */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** `/v1/tasks/{task}`: each `{name}` is a field of `params`. */
  readonly path: string;
  readonly group: RouteGroup;
  readonly kind: RouteKind;
  readonly summary: string;
  readonly description: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** Routes that take a body take it as JSON, and only so. */
  readonly body?: z.ZodObject;
  readonly response: z.ZodType;
  /** The status of a good answer. */
  readonly status: number;
  /** Another status under which the same schema is answered, and when that is. */
  readonly otherStatus?: {
    readonly status: number;
    readonly when: string;
    readonly applies: (answer: unknown) => boolean;
  };
  /** Of `text`, where it is not plain. */
  readonly contentType?: string;
  /** Errors to be expected beyond `commonErrors`. */
  readonly errors: readonly ErrorCode[];
  /** Changes something. */
  readonly writes: boolean;
  /** Answered without the token and whatever the Host header says: for probes. */
  readonly open?: boolean;
  readonly bodyBytesMax?: number;
  /** What is sent, and what a server may answer; documentation, and tests walk over them. */
  readonly examples: readonly RouteExample[];
}

export interface RouteExample {
  readonly says: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** Of `lines` and `events`: one of them. */
  readonly output: unknown;
}

export const routeGroups = {
  node: 'The node: is it alive, what does it do',
  cluster: 'The cluster: which nodes there are, and what each does',
  objects: 'Declared objects: sources, destinations, tasks, notifications',
  tasks: 'Tasks: what is backed up, when, by whom, and how fresh it is',
  runs: 'Runs: one attempt at a backup each',
  destinations: 'Destinations: where backups are kept, what each lacks, copies from one to another',
} as const;

export type RouteGroup = keyof typeof routeGroups;

/** What any route may answer. */
export const commonErrors = [
  'config_invalid',
  'unauthenticated',
  'permission_denied',
  'unavailable',
  'timeout',
  'internal',
] as const satisfies readonly ErrorCode[];

/** The media type of what each kind of route answers. */
export const contentTypes = {
  json: 'application/json; charset=utf-8',
  text: 'text/plain; charset=utf-8',
  lines: 'text/plain; charset=utf-8',
  events: 'text/event-stream',
} as const satisfies Record<RouteKind, string>;

export const bodyBytesMaxDefault = 1024 * 1024;

type Fields<T> = T extends z.ZodType ? Named<z.output<T>> : unknown;
type SentFields<T> = T extends z.ZodType ? Named<z.input<T>> : unknown;

/** An object without fields is a record of nothing to zod, which takes no field of another object beside it. */
type Named<T> = string extends keyof T ? unknown : T;
type Part<R, K extends 'params' | 'query' | 'body'> = R extends { readonly [P in K]: infer S }
  ? S
  : undefined;

type Flat<T> = { [K in keyof T]: T[K] };

/** What a caller gives: defaults may be left out. */
export type RouteArguments<R extends Route> = Flat<
  SentFields<Part<R, 'params'>> & SentFields<Part<R, 'query'>> & SentFields<Part<R, 'body'>>
>;

/** What a handler gets: checked, defaults filled in. */
export type RouteInput<R extends Route> = Flat<
  Fields<Part<R, 'params'>> & Fields<Part<R, 'query'>> & Fields<Part<R, 'body'>>
>;

/** What a caller is answered. */
export type RouteOutput<R extends Route> = z.output<R['response']>;

/** What a handler answers: the same, and nobody changes it any more. */
export type RouteAnswer<R extends Route> = Immutable<z.input<R['response']>>;

export type Immutable<T> = T extends (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Immutable<T[K]> }
    : T;
