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
const tooDeep = Symbol('too deep');

export function readYaml(name: string, text: string): YamlFile {
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file: name, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const composed = compose(text, lines);
  if (composed === tooDeep) {
    return {
      documents: [],
      problems: [
        { place: { file: name, line: 1, column: 1 }, path: '', text: `nested more than ${levelsMax} levels` },
      ],
    };
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

function compose(text: string, lines: LineCounter): Document.Parsed[] | typeof tooDeep {
  const parser = new Parser(lines.addNewLine);
  const tokens = [];
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    if (parser.stack.length > levelsMax) return tooDeep;
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
    Map: (_, map, around) => {
      const keys = around.flatMap((each) =>
        isPair(each) && isScalar(each.key) ? [String(each.key.value)] : [],
      );
      problems.push(...keyProblems(map, keys, place));
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
    const placeOf: YamlDocument['placeOf'] = (path, part) =>
      placeAt(locate(document, path, part) ?? startOf(document.contents) ?? 0);
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

/** The offset of what a path names; as far as the path can be followed. */
function locate(
  document: Document.Parsed,
  path: readonly PropertyKey[],
  part: 'key' | 'value',
): number | undefined {
  let node: Node | null | undefined = document.contents;
  let offset = startOf(node);
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    let key: unknown;
    if (isMap(node)) {
      const pair: YAMLMap['items'][number] | undefined = node.items.find(
        (each) => isScalar(each.key) && String(each.key.value) === String(step),
      );
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
