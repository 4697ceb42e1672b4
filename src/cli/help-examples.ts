/** Text after the options of `--help`. */
export const helpExamples = `
Examples:
  $ vlm-convert Monkey --resolution 1544x896 --precision int4
      The Monkey checkpoint in ./Monkey, compiled for pictures of 1544x896 (3x2 tiles and a global view), weights
      in 4 bits, into ../Monkey-onnx. The report is in parity-report.html there.
  $ cd Monkey && vlm-convert --resolution 1544x896
      The same as a build step inside the checkpoint, in fp32.
  $ vlm-convert Monkey --resolution 1544x896 --precision int4 --dry-run
      What would be done and how large everything would be. Takes no time.
  $ vlm-convert Qwen-VL out --precision vision=fp16,embed=int4,decoder=int4 --block-size 64
      A precision for each component.
  $ vlm-convert Monkey out --lora factored --lora-tiles base --strict
      Small adapters beside shared weights, and no output at all if anything deserves a warning.
  $ vlm-convert llava-1.5-7b-hf web --format transformers.js --precision int4
      A folder that @huggingface/transformers loads as it is, in Node or in a browser.
  $ vlm-convert decoder.onnx --precision int4 --target webgpu
      An ONNX model, whoever exported it, in the operators that WebGPU runs and with its weights in 4 bits, run beside
      the original, into ../decoder-int4.
  $ vlm-convert quantize decoder.onnx --precision int4
      The same graph as it is, with its weights in 4 bits.
  $ vlm-convert inspect Monkey
      What is in a checkpoint, a .safetensors file or an .onnx file.

Config file:
  vlm-convert.config.json in the current folder (or --config <file>) may hold every option by its long name in
  camelCase: { "checkpoint": "Monkey", "resolution": "1544x896", "precision": { "decoder": "int4" } }.
  Flags win over it.

Exit codes:
  0 done and checked   1 a bug of ours   2 a parity gate failed, or a warning under --strict
  3 command line or config file   4 checkpoint or ONNX file   5 output   6 runtime   130 interrupted
  When a gate fails the output is written all the same, with the report that says where.
`;
