import { parseObjects } from './parse-objects.ts';
import { testRules } from './schedule-rules.fixture.ts';

/** A small shop: everything there is, once. */
export const shop = `sources:
  orders: { type: postgres, url: "$\{env:ORDERS_URL}" }
destinations:
  near: { type: folder, path: /var/backups }
  far: { type: folder, path: /mnt/far, mount: required }
tasks:
  orders:
    source: orders
    full: "0 2 * * 0"
    destinations: [near, far]
notifications:
  dba: { type: email, server: "smtp://mail.example", from: a@example.com, to: [b@example.com] }
`;

export function parseText(text: string) {
  return parseObjects([{ name: 'o.yaml', text }], testRules);
}

/** Everything that a file with this task, and what it refers to, is told; empty when it is good. */
export function problemsOf(text: string): string[] {
  try {
    parseText(text);
    return [];
  } catch (caught) {
    const [first = '', ...others] = (caught as Error).message.replace(/^\[config_invalid\] /, '').split('\n');
    return others.length === 0 ? [first] : others.map((line) => line.trim());
  }
}
