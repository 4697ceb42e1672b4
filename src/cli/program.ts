/**
 * The command line: commander's program made from the option table. Parsing gives raw texts; what they mean is
 * decided by schema.ts, for flags and config file alike. Help is not commander's but help.ts'.
 */
import { Command, CommanderError, Option } from 'commander';
import { fail } from '../report/diagnostics.ts';
import { bisectOptions } from './bisect-options.ts';
import { compareOptions, parityOptions } from './check-options.ts';
import { generateOptions } from './generate-options.ts';
import { inspectOptions } from './inspect-options.ts';
import { optOptions } from './opt-options.ts';
import { configFlag, type OptionSpec, optionTable, positionals, quantizeOptions } from './options.ts';

/** What the command line asks for. */
export type Request =
  | {
      readonly command: 'convert';
      /** Keys of the option table to texts, lists of texts, or booleans; only those given. */
      readonly raw: Readonly<Record<string, unknown>>;
      readonly config: string | undefined;
    }
  | {
      readonly command: 'quantize';
      readonly model: string | undefined;
      readonly output: string | undefined;
      /** As for `convert`. */
      readonly raw: Readonly<Record<string, unknown>>;
    }
  | {
      readonly command: 'parity';
      readonly output: string | undefined;
      /** As for `convert`. */
      readonly raw: Readonly<Record<string, unknown>>;
    }
  | {
      readonly command: 'compare';
      readonly first: string | undefined;
      readonly second: string | undefined;
      /** As for `convert`. */
      readonly raw: Readonly<Record<string, unknown>>;
    }
  | {
      readonly command: 'bisect';
      readonly source: string | undefined;
      /** As for `convert`. */
      readonly raw: Readonly<Record<string, unknown>>;
    }
  | {
      readonly command: 'run';
      readonly output: string | undefined;
      /** As for `convert`. */
      readonly raw: Readonly<Record<string, unknown>>;
    }
  | {
      readonly command: 'opt';
      readonly model: string | undefined;
      /** As for `convert`. */
      readonly raw: Readonly<Record<string, unknown>>;
    }
  | {
      readonly command: 'inspect';
      readonly path: string | undefined;
      /** As for `convert`. */
      readonly raw: Readonly<Record<string, unknown>>;
    };

/** Throws VC4001 when the command line cannot be understood. */
export function parseCommandLine(argv: readonly string[]): Request {
  let request: Request | undefined;
  const program = quiet(new Command('vlm-convert')).enablePositionalOptions();
  for (const { key } of positionals) program.argument(`[${key}]`);
  for (const spec of optionTable) for (const option of commanderOptions(spec)) program.addOption(option);
  program.option(configFlag.flag);
  program.action((checkpoint: string | undefined, output: string | undefined, options: object) => {
    const { config, ...rest } = options as { config?: string };
    const raw = {
      ...rest,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(output === undefined ? {} : { output }),
    };
    request = { command: 'convert', raw, config };
  });

  const quantize = quiet(program.command('quantize')).argument('[model]').argument('[output]');
  for (const spec of quantizeOptions) for (const option of commanderOptions(spec)) quantize.addOption(option);
  quantize.action((model: string | undefined, output: string | undefined, raw: object) => {
    request = { command: 'quantize', model, output, raw: { ...raw } };
  });

  const parity = quiet(program.command('parity')).argument('[output]');
  for (const spec of parityOptions) for (const option of commanderOptions(spec)) parity.addOption(option);
  parity.action((output: string | undefined, raw: object) => {
    request = { command: 'parity', output, raw: { ...raw } };
  });

  const compare = quiet(program.command('compare')).argument('[a]').argument('[b]');
  for (const spec of compareOptions) for (const option of commanderOptions(spec)) compare.addOption(option);
  compare.action((first: string | undefined, second: string | undefined, raw: object) => {
    request = { command: 'compare', first, second, raw: { ...raw } };
  });

  const bisect = quiet(program.command('bisect')).argument('[source]');
  for (const spec of bisectOptions) for (const option of commanderOptions(spec)) bisect.addOption(option);
  bisect.action((source: string | undefined, raw: object) => {
    request = { command: 'bisect', source, raw: { ...raw } };
  });

  const run = quiet(program.command('run')).argument('[output]');
  for (const spec of generateOptions) for (const option of commanderOptions(spec)) run.addOption(option);
  run.action((output: string | undefined, raw: object) => {
    request = { command: 'run', output, raw: { ...raw } };
  });

  const opt = quiet(program.command('opt')).argument('[model]');
  for (const spec of optOptions) for (const option of commanderOptions(spec)) opt.addOption(option);
  opt.action((model: string | undefined, raw: object) => {
    request = { command: 'opt', model, raw: { ...raw } };
  });

  const inspect = quiet(program.command('inspect')).argument('[path]');
  for (const spec of inspectOptions) for (const option of commanderOptions(spec)) inspect.addOption(option);
  inspect.action((path: string | undefined, raw: object) => {
    request = { command: 'inspect', path, raw: { ...raw } };
  });

  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const [, message = error.message, guess] =
      /^(?:error: )?(.*?)(?:\n\(Did you mean (.*)\?\))?$/s.exec(error.message) ?? [];
    throw fail('VC4001', {
      found: message,
      ...(guess === undefined ? {} : { hint: `did you mean ${guess}?` }),
    });
  }
  if (request === undefined) throw new TypeError('commander ran no action');
  return request;
}

/** Commander throws instead of printing and exiting. */
function quiet(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
    .showSuggestionAfterError()
    .helpOption(false)
    .helpCommand(false);
}

/** Kinds whose texts are collected. */
const repeatable: ReadonlySet<OptionSpec['type']['kind']> = new Set([
  'adapters',
  'limits',
  'names',
  'passes',
  'paths',
]);

/** A switch gets its opposite, and a mode its absence, so that a flag can win over the config file in both directions. */
function commanderOptions(spec: OptionSpec): Option[] {
  const shown = new Option(spec.flag);
  if (repeatable.has(spec.type.kind)) {
    shown.argParser((text, previous: unknown) => [...(Array.isArray(previous) ? previous : []), text]);
  }
  if (spec.type.kind === 'mode') return [shown, new Option(`--no-${shown.name()}`)];
  if (spec.type.kind !== 'switch') return [shown];
  const name = spec.flag.slice(2);
  const negative = name.startsWith('no-');
  const other = new Option(`--${negative ? name.slice(3) : `no-${name}`}`);
  // The positive form comes first: commander takes a lone negative one as "true unless given".
  return negative ? [other, shown] : [shown, other];
}
