/** A value that never prints itself: not in logs, JSON, templates or inspections. `reveal()` is greppable. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

const secretParameters =
  /^(password|secret|token|key|passphrase|sig|sas|sas-?token|session-?token|secret-?access-?key|account-?key|private-?key|connection-?string|.*(?:secret|passw).*)$/i;

/**
 * A URL as it may be shown: its password and secret-looking parameters replaced by `[secret]`. Also of one that is written
 * wrong: a raw `@` in a password, a `#` in a value, a name with per cent signs.
 */
export function redactUrl(url: string): string {
  return url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^:/?#@]*):[^@]*@(?:[^/?#@]*@)*/i, '$1:[secret]@')
    .replace(/([?&])([^=&#]+)=([^&]*)/g, (whole, mark: string, name: string) =>
      secretParameters.test(decoded(name)) ? `${mark}${name}=[secret]` : whole,
    );
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
