import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { GoTemplates } from './go-template.ts';

const folder = join(import.meta.dirname, '..', '..', 'deploy', 'helm', 'holdfast');

type Fields = Readonly<Record<string, unknown>>;

/** The Helm chart, as Helm would render it. */
export class Chart {
  readonly values: Fields;
  /** Their texts, by the names of the files. */
  readonly templates: ReadonlyMap<string, string>;
  readonly #about: Fields;

  private constructor(values: Fields, about: Fields, templates: ReadonlyMap<string, string>) {
    this.values = values;
    this.#about = about;
    this.templates = templates;
  }

  static async read(): Promise<Chart> {
    const names = await readdir(join(folder, 'templates'));
    const texts = names.sort().map(async (name): Promise<[string, string]> => {
      return [name, await readFile(join(folder, 'templates', name), 'utf8')];
    });
    const values = parse(await readFile(join(folder, 'values.yaml'), 'utf8'));
    const about = parse(await readFile(join(folder, 'Chart.yaml'), 'utf8'));
    return new Chart(values, about, new Map(await Promise.all(texts)));
  }

  get appVersion(): string {
    return String(this.#about.appVersion);
  }

  /** The documents of each file that has any. */
  render(values: Fields = {}, release = 'holdfast'): ReadonlyMap<string, readonly Fields[]> {
    const templates = new GoTemplates();
    for (const [name, text] of this.templates) templates.add(`holdfast/templates/${name}`, text);
    const dot = {
      Values: merged(this.values, values),
      Release: { Name: release, Namespace: release },
      Chart: { Name: this.#about.name, AppVersion: this.#about.appVersion },
      Template: { BasePath: 'holdfast/templates' },
    };
    const rendered = [...this.templates.keys()]
      .filter((name) => name.endsWith('.yaml'))
      .map((name): [string, readonly Fields[]] => {
        return [name, readDocuments(templates.render(`holdfast/templates/${name}`, dot), name)];
      });
    return new Map(rendered.filter(([, documents]) => documents.length > 0));
  }
}

/** As Helm puts a user's values over the chart's: field by field. */
function merged(under: Fields, over: Fields): Fields {
  const isFields = (value: unknown): value is Fields =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const entries = Object.entries(over).map(([key, value]): [string, unknown] => {
    const below = under[key];
    return [key, isFields(value) && isFields(below) ? merged(below, value) : value];
  });
  return { ...under, ...Object.fromEntries(entries) };
}

/** Documents of Kubernetes, which reads YAML 1.1. @throws Error with the place of what is wrong */
export function readDocuments(text: string, name: string): readonly Fields[] {
  return parseAllDocuments(text, { version: '1.1', strict: true, uniqueKeys: true, merge: true })
    .map((document) => {
      const [problem] = [...document.errors, ...document.warnings];
      if (problem) throw new Error(`${name}: ${problem.message}`);
      return document.toJS() as Fields | null;
    })
    .filter((document) => document !== null);
}
