import type { DeclaredObjects, HoldfastError } from '@holdfast/core';
import { didYouMean } from '@holdfast/core';
import { isMapping, objectName, sayUnknown } from '../config/fields.ts';
import { formatPath, formatPlace, type Place, type Problem, problemsError } from '../config/problems.ts';
import { type FieldProblem, validate } from '../config/validate.ts';
import { readYaml, type YamlDocument } from '../config/yaml-file.ts';
import { checkObjects, type Finding, ReferenceCheck, type References } from './check-objects.ts';
import { memberOf, noObjects, normalise, type ObjectKind, objectKinds, singular } from './object-kinds.ts';
import type { ScheduleRules } from './schedule-rules.ts';
import { type ObjectTables, objectTables, type TypedTables } from './tables.ts';

export interface ObjectsFile {
  /** As people know it, for messages. */
  readonly name: string;
  readonly text: string;
}

export interface ParseOptions {
  /** What is declared already: what is parsed may refer to it, for it stays unless `prune` says otherwise. */
  readonly current?: DeclaredObjects;
  readonly prune?: boolean;
}

export interface ParsedObjects {
  /** Of the files alone; defaults are filled in. */
  readonly objects: DeclaredObjects;
  readonly warnings: readonly ParseWarning[];
}

export interface ParseWarning {
  /** `objects.yaml:3:9` */
  readonly where: string;
  readonly text: string;
}

const filesBytesMax = 4 * 1024 * 1024;
const objectsMax = 10_000;

/**
 * Reads files of declared objects, whole: they are good together, or nothing of them is taken.
 *
 * @throws HoldfastError config_invalid with every problem, each as `file:line:column: tasks.orders.full: …`
 */
export function parseObjects(
  files: readonly ObjectsFile[],
  rules: ScheduleRules,
  o: ParseOptions = {},
): ParsedObjects {
  assertSize(files);
  const reading = new Reading(objectTables(rules));
  for (const file of files) reading.readFile(file);
  reading.throwIfWrong();
  return reading.finish((o.prune ? undefined : o.current) ?? noObjects);
}

function assertSize(files: readonly ObjectsFile[]): void {
  let sizeBytes = 0;
  for (const { name, text } of files) {
    sizeBytes += Buffer.byteLength(text);
    if (sizeBytes <= filesBytesMax) continue;
    const tooMuch = `too much to read: at most ${filesBytesMax} bytes of objects, all files together`;
    throw problemsError('the objects', [
      { place: { file: name, line: 1, column: 1 }, path: '', text: tooMuch },
    ]);
  }
}

/** Where an object was declared, and the document that knows the places of its parts. */
interface Declaration {
  readonly document: YamlDocument;
  readonly object: unknown;
}

class Reading {
  readonly #tables: ObjectTables;
  readonly #name = objectName('its name');
  readonly #problems: Problem[] = [];
  readonly #declared = new Map<string, Declaration>();
  /** Problems that make others of what follows: a reference to an object under a misspelt key is no second slip. */
  #misread = false;
  #tooMany = false;

  constructor(tables: ObjectTables) {
    this.#tables = tables;
  }

  readFile({ name, text }: ObjectsFile): void {
    const { documents, problems } = readYaml(name, text);
    this.#problems.push(...problems);
    if (problems.length > 0) this.#misread = true;
    else if (documents.length === 0) {
      this.#misread = true;
      const place = { file: name, line: 1, column: 1 };
      this.#problems.push({ place, path: '', text: `declares nothing: expected ${objectKinds.join(', ')}` });
    }
    for (const document of documents) this.#readDocument(document);
  }

  throwIfWrong(): void {
    if (this.#misread) throw this.#error();
  }

  finish(staying: DeclaredObjects): ParsedObjects {
    const objects = this.#collect();
    const all = merge(staying, objects);
    const alsoNamed = (kind: ObjectKind, name: string): boolean => this.#declared.has(`${kind}.${name}`);
    const { problems, warnings } = checkObjects(all, alsoNamed);
    const references = new ReferenceCheck(all, alsoNamed);
    const ofUnfit = this.#unfitTasks(objects).flatMap(([name, task]) => [...references.dangling(name, task)]);
    for (const each of [...problems, ...ofUnfit]) {
      this.#problems.push({ path: formatPath(each.path), text: each.text, place: this.#placeOf(each) });
    }
    if (this.#problems.length > 0) throw this.#error();
    return {
      objects,
      warnings: warnings.flatMap((each) => {
        const place = this.#placeOf(each);
        return place ? [{ where: formatPlace(place), text: `${formatPath(each.path)}: ${each.text}` }] : [];
      }),
    };
  }

  #readDocument(document: YamlDocument): void {
    const { value } = document;
    if (!isMapping(value)) {
      this.#misread = true;
      this.#add(document, [
        { path: [], part: 'value', text: `expected a mapping with ${objectKinds.join(', ')}` },
      ]);
      return;
    }
    for (const [key, named] of Object.entries(value)) {
      const kind = objectKinds.find((each) => each === key);
      if (kind === undefined) {
        this.#misread = true;
        this.#add(document, [{ path: [key], part: 'key', text: sayUnknown(key, objectKinds) }]);
      } else if (isMapping(named)) {
        for (const [name, object] of Object.entries(named)) this.#declare(document, { kind, name, object });
      } else if (named !== null) {
        this.#misread = true;
        const text = `expected a mapping of ${kind} by their names`;
        this.#add(document, [{ path: [kind], part: 'value', text }]);
      }
    }
  }

  #declare(document: YamlDocument, o: { kind: ObjectKind; name: string; object: unknown }): void {
    const { kind, name, object } = o;
    const say = (text: string): void => this.#add(document, [{ path: [kind, name], part: 'key', text }]);
    if (this.#declared.size >= objectsMax) {
      if (!this.#tooMany) say(`too many objects: expected at most ${objectsMax}`);
      this.#tooMany = true;
      return;
    }
    const before = this.#declared.get(`${kind}.${name}`);
    if (before) {
      say(`is there twice, first at ${formatPlace(before.document.placeOf([kind, name], 'key'))}`);
      return;
    }
    this.#declared.set(`${kind}.${name}`, { document, object });
    for (const { text } of validate(this.#name, name).problems) say(text);
  }

  #collect(): DeclaredObjects {
    const found: Record<ObjectKind, Record<string, unknown>> = {
      sources: {},
      destinations: {},
      tasks: {},
      notifications: {},
    };
    for (const [key, { document, object }] of this.#declared) {
      const kind = objectKinds.find((each) => key.startsWith(`${each}.`)) ?? 'sources';
      const name = key.slice(kind.length + 1);
      const { value, problems } =
        kind === 'tasks'
          ? validate(this.#tables.task, object)
          : validateByType(this.#tables[kind], object, singular[kind]);
      if (problems.length === 0) found[kind][name] = value;
      this.#add(
        document,
        problems.map((each) => ({ ...each, path: [kind, name, ...each.path] })),
      );
    }
    return normalise(found as unknown as DeclaredObjects);
  }

  /** What they refer to is looked at all the same, so that a second try need not find it out. */
  #unfitTasks(objects: DeclaredObjects): [name: string, task: References][] {
    return [...this.#declared].flatMap(([key, { object }]) => {
      const name = /^tasks\.(.*)$/s.exec(key)?.[1];
      const unfit = name !== undefined && memberOf(objects.tasks, name) === undefined && isMapping(object);
      return unfit ? [[name, object]] : [];
    });
  }

  #add(document: YamlDocument, problems: readonly FieldProblem[]): void {
    for (const { path, part, text } of problems) {
      this.#problems.push({ place: document.placeOf(path, part), path: formatPath(path), text });
    }
  }

  /** Undefined for what was not in the files. */
  #placeOf({ path }: Finding): Place | undefined {
    const [kind, name] = path;
    const part = path.length === 2 ? 'key' : 'value';
    return this.#declared.get(`${kind}.${name}`)?.document.placeOf(path, part);
  }

  #error(): HoldfastError {
    return problemsError('the objects', this.#problems);
  }
}

/** The table is chosen by `type`, which has to be right before anything else can be said. */
function validateByType(tables: TypedTables, object: unknown, what: string): ReturnType<typeof validate> {
  const known = Object.keys(tables);
  if (!isMapping(object)) return { problems: [{ path: [], part: 'value', text: 'expected a mapping' }] };
  const type = Object.hasOwn(object, 'type') ? object.type : undefined;
  const table = typeof type === 'string' ? memberOf(tables, type) : undefined;
  if (table) return validate(table, object);
  const expected = known.length === 1 ? known[0] : known.join(' or ');
  if (type === undefined) {
    return { problems: [{ path: ['type'], part: 'value', text: `is missing: expected ${expected}` }] };
  }
  const near =
    typeof type === 'string' ? `, not ${JSON.stringify(type.slice(0, 60))}${didYouMean(type, known)}` : '';
  return {
    problems: [{ path: ['type'], part: 'value', text: `expected a type of ${what}, ${expected}${near}` }],
  };
}

/** What is declared takes the place of what was there under its name; the rest stays. */
export function merge(current: DeclaredObjects, declared: DeclaredObjects): DeclaredObjects {
  return normalise({
    sources: { ...current.sources, ...declared.sources },
    destinations: { ...current.destinations, ...declared.destinations },
    tasks: { ...current.tasks, ...declared.tasks },
    notifications: { ...current.notifications, ...declared.notifications },
  });
}
