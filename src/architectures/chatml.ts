/** ChatML, in which Qwen2 and models tuned like it write a conversation. */

/** The system message that a template writes itself, or nothing. */
export function systemMessage(template: string): string {
  return /<\|im_start\|>system\n[^<{]*<\|im_end\|>\n/.exec(template)?.[0] ?? '';
}

/** One message of a user, and the beginning of the answer. */
export function userMessage(content: string): string {
  return `<|im_start|>user\n${content}<|im_end|>\n<|im_start|>assistant\n`;
}
