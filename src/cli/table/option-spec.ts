/** What an option is, whichever table it stands in. */

/** What a value is; each kind has one validator in schema.ts. */
export type OptionKind =
  | { readonly kind: 'path' }
  /** Repeatable. */
  | { readonly kind: 'paths' }
  /** Repeatable. */
  | { readonly kind: 'names' }
  | { readonly kind: 'text' }
  | { readonly kind: 'switch' }
  | { readonly kind: 'choice'; readonly values: readonly [string, ...string[]] }
  /** Some of these, with commas between them, or a list. */
  | { readonly kind: 'choices'; readonly values: readonly [string, ...string[]] }
  /** Some of these for all, or `component=` and some of them, with commas between all. */
  | { readonly kind: 'component-choices'; readonly values: readonly [string, ...string[]] }
  /** One of these, or false, for which there is a negative flag; true is the default. */
  | { readonly kind: 'mode'; readonly values: readonly [string, ...string[]] }
  /** A whole number from 1 on, to 256 where nothing else is said. */
  | { readonly kind: 'count'; readonly most?: number }
  /** From 0 on. */
  | { readonly kind: 'number' }
  | { readonly kind: 'integer'; readonly values: readonly [number, ...number[]] }
  /** `512MiB`, `2GiB`, or a number of bytes. */
  | { readonly kind: 'bytes' }
  /** `1544x896`. */
  | { readonly kind: 'size' }
  /** `448x448,896x896`, or a list of such. */
  | { readonly kind: 'sizes' }
  /** One precision, or `component=precision` pairs. */
  | { readonly kind: 'precision'; readonly values: readonly [string, ...string[]] }
  /** `name=number`, repeatable. */
  | { readonly kind: 'limits' }
  /** Pipeline text, or `component:text`, repeatable. */
  | { readonly kind: 'passes' }
  /** A folder, or `folder=share`, repeatable. */
  | { readonly kind: 'adapters' };

export interface OptionSpec {
  /** Key in the config file. */
  readonly key: string;
  /** As commander reads it. A switch that is on by default is written in its negative form. */
  readonly flag: string;
  readonly group: 'Model' | 'Picture' | 'Precision' | 'Check' | 'Run';
  readonly help: string;
  readonly type: OptionKind;
  /** Shown in the help. */
  readonly default?: string;
  /** What a wrong value is told. */
  readonly expected: string;
  /** Not an option of `quantize`, which takes one graph and runs nothing. */
  readonly convertOnly?: true;
  /** What `quantize --help` says instead. */
  readonly quantizeHelp?: string;
}
