/** One server-sent event, as text. */
export interface SentEvent {
  readonly id: string;
  readonly name: string;
  readonly data: string;
}

/** Puts lines together to events as the HTML standard says; comments and unknown fields are passed over. */
export async function* readEvents(lines: AsyncIterable<string>): AsyncGenerator<SentEvent, void, void> {
  let id = '';
  let name = '';
  let data: string[] = [];
  for await (const line of lines) {
    if (line === '') {
      if (data.length > 0) yield { id, name: name || 'message', data: data.join('\n') };
      name = '';
      data = [];
      continue;
    }
    const [, field = '', value = ''] = /^([^:]*)(?:: ?([\s\S]*))?$/.exec(line) ?? [];
    if (field === 'id') id = value;
    else if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
  }
}
