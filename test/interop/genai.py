"""Loads a folder of `vlm-convert --format onnxruntime-genai` with onnxruntime-genai, and generates.

    python genai.py <folder> <request.json>

The request holds the prompt's ids, or a text and pictures for the processor, and named arrays in a safetensors file
beside them. Standard output is one JSON object: the ids that were generated, and what the processor made.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime_genai as og

dtypes = {"F32": np.float32, "I64": np.int64, "I32": np.int32}


def read_safetensors(path):
    data = Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], dtypes[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] in dtypes
    }


def prepared(model, request):
    """By the processor of the model's type, from a text and pictures."""
    processor = model.create_multimodal_processor()
    images = og.Images.open(*request["images"])
    return processor(request["text"], images=images)


def named(request):
    """What the caller prepared, and the arrays themselves: NamedTensors reads their memory without holding them."""
    recorded = read_safetensors(request["arrays"])
    arrays = {
        "input_ids": np.array([request["ids"]], dtype=np.int32),
        "num_image_tokens": np.array(request["image_tokens"], dtype=np.int64),
        **{name: np.array(recorded[source]) for name, source in request["inputs"].items()},
    }
    inputs = og.NamedTensors()
    for name, array in arrays.items():
        inputs[name] = array
    return inputs, arrays


def main(folder, request):
    model = og.Model(folder)
    params = og.GeneratorParams(model)
    generator = og.Generator(model, params)
    result = {}
    if "text" in request:
        inputs = prepared(model, request)
        result["input_ids"] = inputs["input_ids"].as_numpy().ravel().tolist()
        generator.set_inputs(inputs)
    elif "inputs" in request:
        inputs, alive = named(request)
        generator.set_inputs(inputs)
    else:
        generator.append_tokens(np.array([request["ids"]], dtype=np.int32))
    ids = []
    while not generator.is_done() and len(ids) < request["steps"]:
        generator.generate_next_token()
        ids.append(int(generator.get_next_tokens()[0]))
    result["ids"] = ids
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
