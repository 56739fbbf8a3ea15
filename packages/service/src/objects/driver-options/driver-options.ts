import type { z } from 'zod';

/** What a driver adds to the list of drivers, so that a source or destination of its type can be declared by fields. */
export interface DriverOptions {
  /** Its own fields, beside `type` and `disabled`. */
  readonly declared: z.ZodObject;
  /** The URL that says the same; placeholders stay as they are written. */
  readonly toUrl: (declared: Readonly<Record<string, unknown>>) => string;
  /** The same text for two that name the same place, whatever else they say. */
  readonly placeOf: (declared: Readonly<Record<string, unknown>>) => string;
  /** Whether it lets in whoever has credentials, which a program may print; so it is unless said. */
  readonly takesCredentials?: boolean;
  /** Fields as a person would write them. */
  readonly example: Readonly<Record<string, unknown>>;
}

export interface TypedDriverOptions<S extends z.ZodObject> {
  readonly declared: S;
  readonly toUrl: (declared: z.output<S>) => string;
  /** By default the URL without its parameters. */
  readonly placeOf?: (declared: z.output<S>) => string;
  readonly takesCredentials?: boolean;
  readonly example: z.input<S>;
}

/** Ties the functions to the table while they are written; the list of drivers knows only that they belong together. */
export function driverOptions<S extends z.ZodObject>(o: TypedDriverOptions<S>): DriverOptions {
  const { declared, example, takesCredentials = true } = o;
  const toUrl = o.toUrl as DriverOptions['toUrl'];
  const placeOf =
    (o.placeOf as DriverOptions['placeOf'] | undefined) ?? ((fields) => toUrl(fields).replace(/\?.*/s, ''));
  return { declared, toUrl, placeOf, takesCredentials, example };
}

/** A path in a URL, for `decodeURIComponent` to read back; slashes stay, of which two at the start would name a host. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
