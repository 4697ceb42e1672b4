/**
 * The command line: commander's program made from the option table. Parsing gives raw texts; what they mean is
 * decided by schema.ts, for flags and config file alike.
 */
import { Command, CommanderError, Option } from 'commander';
import { fail } from '../report/diagnostics.ts';
import { helpExamples, type OptionSpec, optionTable, positionals } from './options.ts';

/** What the command line asks for; `text` is the finished text of --help or --version. */
export type Request =
  | { readonly command: 'print'; readonly text: string }
  | {
      readonly command: 'convert';
      /** Keys of the option table to texts, lists of texts, or booleans; only those given. */
      readonly raw: Readonly<Record<string, unknown>>;
      readonly config: string | undefined;
    }
  | {
      readonly command: 'inspect';
      readonly path: string | undefined;
      readonly json: boolean;
      readonly debug: boolean;
    };

const summary =
  'Compiles a vision-language checkpoint into ONNX graphs at the resolution and precision asked for, and checks ' +
  'them against the original.';

/** Throws VC4001 when the command line cannot be understood. */
export function parseCommandLine(argv: readonly string[], version: string, columns: number): Request {
  let request: Request | undefined;
  let printed = '';
  const program = new Command('vlm-convert')
    .description(summary)
    .usage(
      '[checkpoint] [output] [options]\n       vlm-convert inspect <folder | file.safetensors | model.onnx>',
    )
    .version(version, '--version', 'print the version')
    .helpOption('--help', 'print this')
    .helpCommand(false)
    .enablePositionalOptions()
    .addHelpText('after', helpExamples);
  const quietly = (command: Command): Command =>
    command
      .exitOverride()
      .configureOutput({
        writeOut: (text) => {
          printed += text;
        },
        writeErr: () => {},
        getOutHelpWidth: () => columns,
        outputError: () => {},
      })
      .showSuggestionAfterError();
  quietly(program);

  for (const { key, help } of positionals) program.argument(`[${key}]`, help);
  for (const spec of optionTable) for (const option of commanderOptions(spec)) program.addOption(option);
  program.addOption(
    new Option('--config <file>', 'config file instead of vlm-convert.config.json').helpGroup('Run:'),
  );
  program.action((checkpoint: string | undefined, output: string | undefined, options: object) => {
    const { config, ...rest } = options as { config?: string };
    const raw = {
      ...rest,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(output === undefined ? {} : { output }),
    };
    request = { command: 'convert', raw, config };
  });

  quietly(program.command('inspect'))
    .description('print what is inside a checkpoint, a .safetensors or an .onnx file; reads no weights')
    .argument('[path]', 'default: the current folder')
    .option('--json', 'print one JSON object, with every tensor')
    .option('--debug', 'print the stack of an error')
    .helpOption('--help', 'print this')
    .action((path: string | undefined, options: { json?: true; debug?: true }) => {
      request = { command: 'inspect', path, json: options.json ?? false, debug: options.debug ?? false };
    });

  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { command: 'print', text: printed };
    const [, message = error.message, guess] =
      /^(?:error: )?(.*?)(?:\n\(Did you mean (.*)\?\))?$/s.exec(error.message) ?? [];
    throw fail('VC4001', {
      found: message,
      hint: guess === undefined ? 'vlm-convert --help lists the options' : `did you mean ${guess}?`,
    });
  }
  if (request === undefined) throw new TypeError('commander ran no action');
  return request;
}

/** A switch gets its opposite as a hidden flag, so that a flag can win over the config file in both directions. */
function commanderOptions(spec: OptionSpec): Option[] {
  const shown = new Option(
    spec.flag,
    spec.default === undefined ? spec.help : `${spec.help} (default: ${spec.default})`,
  );
  shown.helpGroup(`${spec.group}:`);
  if (spec.type.kind === 'limits' || spec.type.kind === 'passes') {
    shown.argParser((text, previous: unknown) => [...(Array.isArray(previous) ? previous : []), text]);
  }
  if (spec.type.kind !== 'switch') return [shown];
  const name = spec.flag.slice(2);
  const negative = name.startsWith('no-');
  const hidden = new Option(`--${negative ? name.slice(3) : `no-${name}`}`).hideHelp();
  // The positive form comes first: commander takes a lone negative one as "true unless given".
  return negative ? [hidden, shown] : [shown, hidden];
}
