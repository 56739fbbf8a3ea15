import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  visit,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { formatPath, formatPlace, type Place, type Problem } from './problems.ts';

/** One document of a YAML file: its value, and where in the file each part of it stands. */
export interface YamlDocument {
  readonly value: unknown;
  /** Where a key or a value begins; of what is not there, where the nearest thing around it does. */
  placeOf(path: readonly PropertyKey[], part: 'key' | 'value'): Place;
}

export interface YamlFile {
  readonly documents: readonly YamlDocument[];
  /** What makes it no YAML, or not the YAML that a person meant; the documents are then not to be trusted. */
  readonly problems: readonly Problem[];
}

/** What we ask people to write is five levels deep; a composer of YAML calls itself once per level. */
const levelsMax = 64;
/** Aliases may repeat what was said, not multiply it: of the library's measure, which counts what they expand to. */
const aliasesMax = 200;
/** Of one list, of one mapping: ours are shorter, and whoever judges longer ones runs out of stack. */
const itemsMax = 1000;
const keysMax = 10_000;
/** What a lexer tells apart: ten thousand small objects are half of it, and this much holds up a node for seconds. */
const lexemesMax = 500_000;

export function readYaml(name: string, text: string): YamlFile {
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file: name, line, column: col };
  };
  const composed = compose(text, lines);
  if (typeof composed === 'string') {
    return { documents: [], problems: [{ place: placeAt(0), path: '', text: composed }] };
  }
  const problems: Problem[] = [];
  const documents: YamlDocument[] = [];
  for (const document of composed) {
    const found = [...document.errors, ...document.warnings].map((error) => sayError(error, placeAt));
    // One slip makes several errors: the first is its place, the others are echoes of it.
    if (found[0]) problems.push(found[0]);
    else {
      const judged = judgeDocument(document, placeAt);
      problems.push(...judged.problems);
      if (judged.document) documents.push(judged.document);
    }
  }
  return { documents, problems };
}

/** The documents, or what makes the text one that is not read on. */
function compose(text: string, lines: LineCounter): Document.Parsed[] | string {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens = [];
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    lexemes += 1;
    if (lexemes > lexemesMax) return `too much to read: expected at most ${lexemesMax} words and signs`;
    if (parser.stack.length > levelsMax) return `nested more than ${levelsMax} levels`;
  }
  tokens.push(...parser.end());
  // The schema is named, or a %YAML 1.1 directive would bring back `yes`, octal numbers and merge keys.
  const composer = new Composer({ schema: 'core', uniqueKeys: false, prettyErrors: false });
  return [...composer.compose(tokens, false, text.length)] as Document.Parsed[];
}

function sayError(error: YAMLError, placeAt: (offset: number) => Place): Problem {
  const text =
    error.code === 'TAB_AS_INDENT'
      ? 'a tab where YAML wants spaces: indent with spaces'
      : // What follows is a piece of the file, which may be one of a password.
        `not YAML: ${lowerFirst(error.message.replace(/: ".*$/s, ''))}`;
  return { place: placeAt(error.pos[0]), path: '', text };
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

function judgeDocument(
  document: Document.Parsed,
  placeAt: (offset: number) => Place,
): { problems: readonly Problem[]; document?: YamlDocument } {
  const problems: Problem[] = [];
  const place = (node: unknown): Place => placeAt(startOf(node) ?? 0);
  visit(document, {
    Seq: (_, list) => {
      const count = list.items.length;
      if (count <= itemsMax) return undefined;
      problems.push({
        place: place(list),
        path: '',
        text: `a list of ${count}: expected at most ${itemsMax}`,
      });
      return visit.SKIP;
    },
    Map: (_, map, around) => {
      const count = map.items.length;
      if (count > keysMax) {
        problems.push({
          place: place(map),
          path: '',
          text: `a mapping of ${count}: expected at most ${keysMax}`,
        });
        return visit.SKIP;
      }
      const keys = around.flatMap((each) =>
        isPair(each) && isScalar(each.key) ? [String(each.key.value)] : [],
      );
      problems.push(...keyProblems(map, keys, place));
      return undefined;
    },
    Alias: (_, alias) => {
      if (alias.resolve(document) === undefined) {
        problems.push({
          place: place(alias),
          path: '',
          text: `*${alias.source} is the name of no anchor before it`,
        });
      }
    },
  });
  if (problems.length > 0) return { problems };
  try {
    const value = document.toJS({ maxAliasCount: aliasesMax });
    if (value === null || value === undefined) return { problems };
    const pairs = new PairIndex();
    const placeOf: YamlDocument['placeOf'] = (path, part) =>
      placeAt(locate(document, { path, part, pairs }) ?? startOf(document.contents) ?? 0);
    return { problems, document: { value, placeOf } };
  } catch (caught) {
    if (!(caught instanceof ReferenceError)) throw caught;
    const text = 'its aliases repeat too much: write out what they stand for';
    return { problems: [{ place: place(document.contents), path: '', text }] };
  }
}

function keyProblems(map: YAMLMap, path: readonly string[], place: (node: unknown) => Place): Problem[] {
  const problems: Problem[] = [];
  const first = new Map<string, unknown>();
  for (const { key } of map.items) {
    if (!isScalar(key)) {
      problems.push({ place: place(key), path: formatPath(path), text: 'expected a name as a key' });
      continue;
    }
    const name = String(key.value);
    if (first.has(name)) {
      const where = formatPlace(place(first.get(name)));
      problems.push({
        place: place(key),
        path: formatPath([...path, name]),
        text: `is there twice, first at ${where}`,
      });
    } else first.set(name, key);
  }
  return problems;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

type YamlPair = YAMLMap['items'][number];

/** Finds pairs by their keys: a file may hold thousands of objects, and thousands of problems. */
class PairIndex {
  readonly #byMap = new Map<YAMLMap, ReadonlyMap<string, YamlPair>>();

  find(map: YAMLMap, key: PropertyKey): YamlPair | undefined {
    let pairs = this.#byMap.get(map);
    if (pairs === undefined) {
      pairs = new Map(map.items.map((pair) => [isScalar(pair.key) ? String(pair.key.value) : '', pair]));
      this.#byMap.set(map, pairs);
    }
    return pairs.get(String(key));
  }
}

interface Sought {
  readonly path: readonly PropertyKey[];
  readonly part: 'key' | 'value';
  readonly pairs: PairIndex;
}

/** The offset of what a path names; as far as the path can be followed. */
function locate(document: Document.Parsed, { path, part, pairs }: Sought): number | undefined {
  let node: Node | null | undefined = document.contents;
  let offset = startOf(node);
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    let key: unknown;
    if (isMap(node)) {
      const pair = pairs.find(node, step);
      if (pair === undefined) return offset;
      key = pair.key;
      node = isNode(pair.value) ? pair.value : undefined;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(step)];
      node = isNode(item) ? item : undefined;
    } else return offset;
    const last = index === path.length - 1;
    // What is missing in a mapping is looked for at the mapping's own key, which people find sooner than its first line.
    offset =
      last && part === 'value' ? (startOf(node) ?? startOf(key) ?? offset) : (startOf(key ?? node) ?? offset);
  }
  return offset;
}
