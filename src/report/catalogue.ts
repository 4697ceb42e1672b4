/**
 * The catalogue of diagnostic codes. A code is never reused or renumbered.
 *
 * VC10xx safetensors files · VC11xx checkpoint folders and indexes · VC12xx config.json and tensors against it
 * VC13xx PEFT adapters, and parts in folders of their own
 * VC2xxx ONNX files · VC3xxx graphs and passes · VC4xxx options, resolution, adapters
 * VC5xxx output · VC6xxx runtimes and parity · VC9xxx internal
 */
import type { exitCodes } from './diagnostics.ts';

interface Entry {
  readonly severity: 'error' | 'warning';
  /** One line, no full stop, says what is wrong in general. */
  readonly title: string;
  readonly exit: keyof typeof exitCodes;
  readonly hint?: string;
}

const error = (exit: Entry['exit'], title: string, hint?: string): Entry => ({
  severity: 'error',
  title,
  exit,
  ...(hint === undefined ? {} : { hint }),
});

const warning = (title: string, hint?: string): Entry => ({
  severity: 'warning',
  title,
  exit: 'gate',
  ...(hint === undefined ? {} : { hint }),
});

export const catalogue = {
  // --- VC10xx safetensors files
  VC1001: error('input', 'a safetensors file cannot be read'),
  VC1002: error(
    'input',
    'a safetensors file is cut off',
    "download it again; compare its size with the publisher's",
  ),
  VC1003: error(
    'input',
    'the header length of a safetensors file is impossible',
    'it is damaged, or no safetensors file: download it again',
  ),
  VC1004: error(
    'input',
    'the header of a safetensors file is not valid JSON',
    'it is damaged: download it again',
  ),
  VC1005: error('input', 'a tensor is described wrongly in a safetensors header'),
  VC1006: error('input', 'a safetensors file has tensors of an unknown dtype'),
  VC1007: error('input', 'shape and dtype of a tensor do not give its byte count'),
  VC1008: error('input', 'tensors of a safetensors file overlap or leave a hole'),
  VC1009: error(
    'input',
    'the data of a safetensors file does not end where its last tensor does',
    'it is cut off or damaged: download it again',
  ),
  VC1010: error('input', 'the __metadata__ of a safetensors file is not a map of strings'),
  VC1011: error(
    'input',
    'a git-lfs pointer stands in place of the file',
    'fetch the file itself: git lfs pull',
  ),
  VC1012: error('input', 'a PyTorch pickle has the name of a safetensors file'),
  VC1013: error('input', 'a directory stands where a file is expected'),
  VC1014: error('input', 'a file of another format has the name of a safetensors file'),
  VC1015: error('output', 'a safetensors file cannot be written'),

  // --- VC11xx checkpoint folders and indexes
  VC1101: error('input', 'the checkpoint folder does not exist'),
  VC1102: error(
    'input',
    'the checkpoint is not a folder',
    'give the folder that holds config.json and the weights',
  ),
  VC1103: error('input', 'the checkpoint folder cannot be read'),
  VC1104: error('input', 'a file of the checkpoint cannot be read'),
  VC1105: error(
    'input',
    'a symbolic link leads out of the checkpoint',
    'replace the link by the file itself; only links inside the folder and into a Hugging Face cache are followed',
  ),
  VC1106: error(
    'input',
    'a file cannot be read, or changed while it was read',
    'leave the checkpoint alone while it is converted; check the disk',
  ),
  VC1110: error(
    'input',
    'the folder has no config.json',
    'give the folder of a checkpoint as its publisher ships it',
  ),
  VC1111: error('input', 'config.json is empty', 'download it again'),
  VC1112: error('input', 'config.json is not valid JSON'),
  VC1113: error('input', 'config.json is not a JSON object'),
  VC1114: warning('a key appears twice in a JSON file; the last one counts'),
  VC1115: warning('a side file of the checkpoint is not usable and was left out'),
  VC1120: error('input', 'the weight index is not valid JSON', 'download model.safetensors.index.json again'),
  VC1121: error('input', 'the weight index has no weight_map of tensor names to file names'),
  VC1122: error('input', 'the weight index names a file outside the checkpoint'),
  VC1123: error('input', 'weight files are missing', 'download them into the folder'),
  VC1124: error('input', 'a tensor is not in the file where the weight index places it'),
  VC1125: error('input', 'a tensor is in two weight files'),
  VC1126: warning('the weight index does not list every tensor of its files'),
  VC1130: error('input', 'the folder has no weights', 'vlm-convert reads *.safetensors'),
  VC1131: error('input', 'the weights are PyTorch pickles, which can run code and are not read'),
  VC1132: error(
    'input',
    'the checkpoint is not the one that the output was made from',
    'name that one: --checkpoint <folder>',
  ),
  VC1133: error(
    'input',
    'the weights of the checkpoint are not those that the output was made from',
    'restore them, or convert again',
  ),
  VC1140: error('input', 'tokenizer.model is not a sentencepiece model', 'download it again'),
  VC1141: error(
    'input',
    'the sentencepiece model splits text in a way that is not supported',
    "transformers' AutoTokenizer.save_pretrained writes tokenizer.json, which is",
  ),

  // --- VC12xx config.json, and tensors against it
  VC1201: error('input', 'a config value is missing'),
  VC1202: error('input', 'a config value has the wrong type'),
  VC1203: error('input', 'a config value is out of range'),
  VC1204: error('input', 'config values contradict each other'),
  VC1221: error('input', 'a tensor is missing from the checkpoint'),
  VC1222: error('input', 'a tensor has another shape than the config says'),
  VC1223: error('input', 'a weight has a dtype that cannot be converted'),
  VC1231: error('input', 'the model_type of config.json is not known'),
  VC1232: error('input', 'this variant of a known model family is not supported yet'),

  // --- VC13xx PEFT adapters, and parts of a model in folders of their own
  VC1301: error(
    'input',
    'the folder holds no PEFT adapter',
    'name the folder with adapter_config.json and adapter_model.safetensors',
  ),
  VC1302: error('input', 'adapter_config.json cannot be used', 'download it again'),
  VC1303: error(
    'input',
    'the adapter is of a kind that is not supported',
    'merge it with PEFT, and convert the result',
  ),
  VC1304: error(
    'input',
    'the adapter belongs to a base that its initialisation altered',
    'convert the adapter with path_initial_model_for_weight_conversion of PEFT, or give the residual base and an adapter with init_lora_weights true',
  ),
  VC1305: error('input', 'a tensor of the adapter is not understood'),
  VC1306: error(
    'input',
    'nothing of the adapter belongs to the model',
    'give the model that it was trained on; its keys may have a prefix that no model has',
  ),
  VC1307: error(
    'input',
    'only a part of the adapter belongs to the model',
    'give the model that it was trained on, and the whole adapter',
  ),
  VC1308: error('input', 'a tensor of the adapter does not fit the rank, or the weight that it changes'),
  VC1309: error('input', 'a pattern of the adapter is not usable'),
  VC1310: error('input', 'the adapter changes a bias that the checkpoint does not have'),
  VC1311: error(
    'input',
    'the adapter gives a weight that is not a finite number',
    'its training diverged: take an earlier state of it',
  ),
  VC1312: error(
    'usage',
    'a share of the adapter is asked for, and it holds weights that cannot be shared out',
    'leave the number after = out: weights that were trained whole replace others',
  ),
  VC1313: error(
    'usage',
    'the base of the adapter is not known',
    'name it: --base <folder>, or put its folder beside the adapter',
  ),
  VC1314: error(
    'input',
    'modules that the adapter should hold are missing in it',
    'download the whole adapter again',
  ),
  VC1315: error('input', 'a part of the checkpoint is not there'),
  VC1316: error(
    'input',
    'the vision tower is none that is known',
    'LLaVA-1.5 reads pictures by a CLIP model',
  ),
  VC1317: error(
    'usage',
    'the adapter cannot be switched at run time',
    'choose --lora merge or factored; runtime takes one adapter of low-rank factors alone',
  ),
  VC1320: warning(
    'rounding leaves little of what the adapter changes',
    'choose a wider precision for the component, or keep the adapter apart with --lora factored',
  ),
  VC1321: warning(
    'the adapter changes nothing',
    'its B factors are zero: it was saved before it was trained',
  ),

  // --- VC2xxx ONNX files
  VC2001: error('input', 'an ONNX file cannot be opened'),
  VC2002: error('input', 'the file is not an ONNX model'),
  VC2003: error('input', 'an ONNX file is broken: its protobuf encoding is malformed'),
  VC2004: error('input', 'an ONNX file holds no graph'),
  VC2005: error('input', 'an ONNX file has a newer IR version than this version of vlm-convert knows'),
  VC2006: error('input', 'an ONNX file nests too deep'),
  VC2007: error('input', 'the structure of an ONNX file exceeds 2 GiB'),
  VC2050: error(
    'output',
    'an ONNX model file would exceed 2 GiB, the limit of a protobuf message',
    'move constants to initializers, which go to data files',
  ),
  VC2051: error('input', 'a node uses an operator domain that its model does not import'),
  VC2101: error('input', 'a tensor has an unknown data type'),
  VC2102: error('input', 'the dimensions of a tensor are no shape'),
  VC2103: error('input', 'the data of a tensor does not fit its type and shape'),
  VC2104: error('input', 'the data of a tensor stands in the wrong field, or in two'),
  VC2107: error('input', 'the parts of a sparse tensor do not fit together'),
  VC2201: error('input', 'a tensor has external data without a location'),
  VC2202: error(
    'input',
    "the location of external data is not a plain path inside the model's folder",
    'put the data file beside the model and write its relative path',
  ),
  VC2203: error('input', 'a file with external data is missing or cannot be read'),
  VC2204: error('input', 'the offset or length of external data is not a number'),
  VC2205: error('input', 'the range of external data does not fit its file or its tensor'),
  VC2206: error(
    'input',
    'training_info with external data is not supported',
    'strip training_info from the model',
  ),
  VC2301: error('input', 'a name is defined twice in a graph'),
  VC2302: error(
    'input',
    'a graph reads a value that nothing makes before',
    'the name stands nowhere else, in a body that cannot be seen from here, or nodes need each other in a circle',
  ),
  VC2303: error('input', 'an attribute is broken: its type and its value disagree'),
  VC2304: error('input', 'the type of a value is broken'),
  VC2305: error('input', 'a value of a graph has no name'),
  VC2306: error('input', 'an operator set is imported in two versions'),

  // --- VC3xxx graphs and passes
  VC3201: error(
    'internal',
    'a pass left a graph that is not valid',
    'please report this, with the reproducer that --debug leaves',
  ),
  VC3202: error(
    'input',
    'a cubic Resize cannot be turned into constants',
    'it needs half_pixel, a = -0.75, no antialias and sizes that are known at compile time',
  ),
  VC3203: error('input', 'the picture input of the graph does not have the size that the pipeline states'),
  VC3204: error(
    'input',
    'what a constant of the graph becomes at another picture size cannot be proven',
    'export the model at the size that is wanted',
  ),
  VC3205: error(
    'input',
    'the graph cannot be rewritten for another picture size',
    'export the model at the size that is wanted',
  ),
  VC3206: error('input', 'a picture size does not divide into the patches of the model'),
  VC3001: error('input', 'a name stands for two values'),
  VC3002: error('input', 'a value is read that nothing before has made'),
  VC3003: error(
    'internal',
    'the graph and its use lists disagree',
    'please report this, with --debug output',
  ),
  VC3004: error('input', 'a node has too few or too many inputs or outputs'),
  VC3005: error('input', 'an operator is not known'),
  VC3006: error('input', 'an attribute is missing, unknown or of the wrong kind'),
  VC3007: error('input', 'the operator set of a node is not imported'),
  VC3008: error('input', 'a graph output is made by nothing'),
  VC3009: error('input', 'the functions of a model are not well formed'),
  VC3010: error('input', 'an operator is newer than the operator set that is imported'),
  VC3011: error('input', 'an operator does not take this element type'),
  VC3012: error('input', 'a body does not fit the node that holds it'),
  VC3013: error('input', 'an operator set is newer than this version of vlm-convert knows'),
  VC3101: error('input', 'shapes do not fit together'),
  VC3102: error('input', 'a declared type is not the one that is computed'),
  VC3103: error('input', 'element types do not fit together'),

  VC3301: warning('the model holds nothing that these passes change'),
  VC3302: warning('the model declares shapes that its graph contradicts; the computed ones are taken'),
  VC3304: warning(
    'passes did not recognise everything that the architecture says its graph calls',
    'the graph is right, and slower than it could be; vlm-convert inspect says what each fusion missed',
  ),
  VC3303: warning(
    'a target has no kernel for nodes of the graph: another provider takes them, with copies, or the graph does not load',
    'see docs/targets.md for what runs where',
  ),

  VC3901: error(
    'input',
    'a weight is not a finite number',
    'the checkpoint is damaged or its training diverged; --allow-nonfinite keeps such values',
  ),

  // --- VC4xxx options, resolution, adapters
  VC4001: error('usage', 'the command line cannot be understood', 'vlm-convert --help lists the options'),
  VC4002: error('usage', 'an option has a wrong value'),
  VC4003: error(
    'usage',
    'the config file has a key that is no option',
    'vlm-convert --help lists the options',
  ),
  VC4004: error('usage', 'the config file cannot be used'),
  VC4005: error(
    'usage',
    'there is nothing to convert: no checkpoint is named and the current folder holds no config.json',
    'vlm-convert <checkpoint folder>',
  ),
  VC4006: error('usage', 'an option names a component that this model does not have'),
  VC4007: error('gate', 'there are warnings, and --strict makes them errors'),
  VC4008: error(
    'input',
    'there is nothing to inspect',
    'vlm-convert inspect <folder | file.safetensors | model.onnx>',
  ),
  VC4009: error(
    'usage',
    'nothing says to which precision the model goes',
    'give --precision int4, int8 or fp16, or the passes themselves with --passes',
  ),
  VC4010: error(
    'usage',
    'there is no model to quantize',
    'vlm-convert quantize <model.onnx> [output] --precision int4',
  ),
  VC4011: error(
    'input',
    'the folder is not the output of a conversion',
    'name the folder that vlm-convert wrote, with its vlm-convert.json',
  ),
  VC4012: error(
    'usage',
    'there is nothing to check',
    'vlm-convert parity <output> --checkpoint <folder>; left out, the checkpoint is the current folder',
  ),
  VC4013: error(
    'usage',
    'there is nothing to compare',
    'vlm-convert compare <a> <b>: two .onnx files, or two folders that hold files of the same names',
  ),
  VC4014: error(
    'usage',
    'there is nothing to bisect',
    'vlm-convert bisect <checkpoint> with the options of the conversion, or vlm-convert bisect <output>',
  ),
  VC4015: error(
    'usage',
    'there is nothing to run',
    'vlm-convert run <output> --image picture.png --prompt "What is in it?"',
  ),
  VC4016: error(
    'usage',
    'there is no model to run passes over',
    "vlm-convert opt <model.onnx> --passes 'fold'",
  ),
  VC4017: error(
    'usage',
    'the folder holds no reproducer of a pass',
    'name one that vlm-convert left when a pass failed: it holds a reproducer.json',
  ),
  VC4020: error(
    'usage',
    'no graph has this node',
    'vlm-convert inspect <model> --graph lists the nodes with what they make',
  ),
  VC4022: error(
    'usage',
    'an option gives one component two values',
    "name it by its id, which counts more than a kind: vlm-convert inspect <checkpoint> lists the model's components",
  ),
  VC4201: error('usage', 'the resolution is not usable'),
  VC4202: error('usage', 'the resolution is too small'),
  VC4203: error('usage', 'the resolution is too large'),
  VC4204: error('usage', 'sizes of the sweep cannot be used'),
  VC4205: error('usage', 'the length of sounds is not usable'),
  VC4301: warning(
    'a tile runs adapter weights that were not trained for its position',
    'train adapters for this grid, or choose --lora-tiles base; --strict makes this an error',
  ),
  VC4302: error(
    'input',
    'there are more tiles than adapters',
    'choose --lora-tiles nearest or base, or a resolution with fewer tiles',
  ),
  VC4310: warning(
    'the image span is longer than the sequence length that the model was trained for',
    'choose a smaller resolution',
  ),
  VC4311: warning(
    'the resolution is not one that the image processor of the checkpoint would make',
    'choose a size within its limits, or accept that the model may not have seen the like',
  ),
  VC4401: error(
    'usage',
    'the text of a pipeline is not well formed',
    'write it as in: merge-lora,int4{block=32}',
  ),
  VC4402: error('usage', 'a pipeline names a pass that does not exist'),
  VC4403: error('usage', 'a pass does not take these options'),
  VC4404: error('usage', 'an option names a pass that the pipeline does not have'),
  VC4405: error('usage', 'a target is not known'),
  VC4406: error(
    'usage',
    'a pass that makes another model follows one that rounds weights',
    'put it before: what is rounded is held to the model before it',
  ),
  VC4501: error('usage', 'the runtime of --format cannot run this model family'),
  VC4502: error('usage', 'the runtime of --format cannot load graphs of this form'),
  VC4503: warning(
    'the runtime of --format reads a file that the checkpoint does not have',
    "take it from another release of the model, or make it with the model's own tools, and put it into the output",
  ),
  VC4504: warning(
    'a weight takes a file that is larger than browsers load',
    'give its component a lower precision; outside of browsers it loads',
  ),
  VC4505: warning(
    'the runtime of --format does not prepare pictures as the model was trained with',
    'prepare them before they are handed over: a square of the longer side, the rest in the mean colour',
  ),

  // --- VC5xxx output
  VC5101: error(
    'output',
    'the output exists and is not an earlier output of vlm-convert',
    'name another folder, or replace it with --force',
  ),
  VC5102: error(
    'output',
    'the output may neither lie in the input, nor hold it or the current folder',
    'name another folder',
  ),
  VC5103: error('output', 'the output folder cannot be made'),
  VC5104: error(
    'output',
    'the disk has too little room for the output',
    'free some, name a folder on another disk, or leave the check out with --no-parity',
  ),
  VC5105: error('output', 'a file of the output cannot be written'),
  VC5106: error(
    'output',
    'the earlier output holds files that vlm-convert did not write',
    'move them away, name another folder, or replace everything with --force',
  ),
  VC5107: error(
    'output',
    'another conversion is making this output',
    'wait until it ends, or name another folder; if it ran on another machine and is gone, remove the lock file',
  ),
  VC5108: error(
    'output',
    'what an earlier run left does not fit this one and cannot be resumed',
    'give the same checkpoint and options, or start over without --resume',
  ),
  VC5109: warning('there is nothing to resume: the conversion starts from the beginning'),
  VC5110: warning(
    'a weight file cannot be linked into the output',
    'write the output to the file system of the weights, as their owner',
  ),
  VC5120: error('output', 'the JUnit file of the check cannot be written'),
  VC5121: warning('the report cannot be added to the summary of the CI step'),
  VC5122: error(
    'output',
    'the file of the picture is there already',
    'name another, or replace it with --force',
  ),
  VC5111: error(
    'input',
    'a file of the output is missing, damaged or changed',
    'convert again: what cannot be told from a damaged file is not checked',
  ),
  VC5112: error(
    'input',
    'the graph of the output is not the one that this version makes of the checkpoint',
    'check with the version that made it and the very checkpoint, or convert again',
  ),
  VC5190: error('interrupted', 'interrupted; nothing was written under the name of the output'),

  // --- VC6xxx runtimes and parity
  VC6001: error(
    'runtime',
    'onnxruntime-node cannot be loaded',
    'install it (npm install onnxruntime-node), or leave parity out with --no-parity',
  ),
  VC6002: error('runtime', 'the runtime cannot use the device asked for'),
  VC6003: error('runtime', 'onnxruntime refuses the model'),
  VC6004: error('runtime', 'onnxruntime failed while it ran the model'),
  VC6005: error(
    'runtime',
    'the check needs more memory than this machine has',
    'check part after part (--parity streamed) or on a larger machine, or write without the check: --no-parity',
  ),
  VC6006: warning(
    'the device of the check computes an operator wrongly: what uses it will fail',
    'update its driver, check on another device, or convert without the operator: --passes without fuse-attention',
  ),
  VC6101: error('runtime', 'the inputs or outputs of a model are not those of its role'),
  VC6102: error('runtime', 'an output of the converted model cannot be paired with the reference'),
  VC6103: error('runtime', 'there is nothing to compare'),
  VC6104: error('runtime', 'the reference gives a value that is not finite'),
  VC6105: error('usage', 'a parity gate is not valid'),
  VC6106: error(
    'usage',
    'the baseline cannot be compared with this conversion',
    'record it anew: parity-report.json of a conversion that was accepted',
  ),
  VC6107: error(
    'input',
    'the two models have different inputs or outputs',
    'compare models that take and give the same',
  ),
  VC6108: error('usage', 'an input cannot be drawn', 'give it: --inputs file.safetensors'),
  VC6109: error('usage', 'the given inputs cannot be used'),
  VC6110: warning('some of the given inputs are none of the model'),
  VC6111: warning(
    'an activation comes close to the end of float16: another picture may go beyond',
    'leave that component in fp32, or look at it with more of your own pictures (--samples)',
  ),
  VC6112: warning('a sound is longer than the model takes, and its end is left out'),
  VC6113: error(
    'usage',
    'the model draws no pictures',
    'only a model with a generator does; leave --generate out to ask it for an answer',
  ),
  VC6201: error(
    'gate',
    'a parity gate failed',
    'parity-report.html and .md name the worst places, vlm-convert bisect the pass and the weight; a gate can be moved with --gate name=value',
  ),
  VC6202: error(
    'gate',
    'the converted model is further from the original than the baseline, beyond noise',
    'parity-report.md lists what was measured beside what the baseline allows',
  ),
  VC6203: error('gate', 'the two models differ by more than a gate allows'),
  VC6204: error(
    'gate',
    'a pass moves the model further than rounding explains',
    'the folder that bisect leaves holds a small model that shows it',
  ),
  VC6205: error(
    'gate',
    'the converted model differs from the original by more than a gate allows',
    'parity-report.md names the output and the pass at fault; a gate can be moved with --gate name=value',
  ),

  // --- VC9xxx internal
  VC9001: error(
    'internal',
    'an invariant of vlm-convert does not hold',
    'please report this, with --debug output',
  ),
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof catalogue;
