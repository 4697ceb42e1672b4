"""Ids that onnxruntime-genai generates, given what the example in Python prepares: folder, text, steps, pictures, sounds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples/python"))

import numpy as np
import onnxruntime_genai as og
from generate import Model, Tokenizer, prepare, prompt_ids
from PIL import Image


def main(folder, text, steps, *paths):
    own, model = Model(folder), og.Model(folder)
    generator = og.Generator(model, og.GeneratorParams(model))
    sounds = [path for path in paths if path.endswith(".wav")]
    images = [Image.open(path).convert("RGB") for path in paths if path not in sounds]
    prepared = prepare(own, images, sounds)
    ids = prompt_ids(own.recipe, Tokenizer(folder), text, prepared)
    if not prepared:
        generator.append_tokens(np.array([ids], np.int32))
        return generated(generator, int(steps))
    (picture,) = prepared
    arrays = {"input_ids": np.array([ids], np.int32), "num_image_tokens": np.array([picture.tokens]), **picture.feeds}
    inputs = og.NamedTensors()
    for name, array in arrays.items():
        # Its own name, whatever the graph calls it.
        inputs["image_grid_thw" if name == "grid_thw" else name] = array
    generator.set_inputs(inputs)
    return generated(generator, int(steps))


def generated(generator, steps):
    made = []
    while not generator.is_done() and len(made) < steps:
        generator.generate_next_token()
        made.append(int(generator.get_next_tokens()[0]))
    return made


if __name__ == "__main__":
    print(*main(*sys.argv[1:]))
