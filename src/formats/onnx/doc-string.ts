/** Doc strings of models and graphs: bytes in the codec (schema.ts), text in the IR. */
const decoder = new TextDecoder();
const encoder = new TextEncoder();

interface Documented {
  docString?: Uint8Array;
}

export function docText(message: Documented): string {
  // A message without the field answers with its type's default, which is not bytes.
  return Object.hasOwn(message, 'docString') ? decoder.decode(message.docString) : '';
}

export function docField(text: string): Documented {
  return text === '' ? {} : { docString: encoder.encode(text) };
}
