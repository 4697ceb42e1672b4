"""Draws a picture with the graphs of a vlm-convert output whose model draws (Janus), in plain onnxruntime.

    python draw.py <output folder> --prompt "a red square on a blue field" --out out.png

The decoder runs two rows: the prompt, and the same with padding in the place of what is to be seen. A head reads its last
hidden states as codes; both rows go on with the embedding of the code that is picked, and in the end a generator turns all
codes into pixels. Greedy.
"""

import argparse

import numpy as np
from PIL import Image

from generate import Model, Tokenizer


def draw(model, text):
    """The codes, and the picture."""
    recipe, decoder, pictures = model.recipe, model.recipe["decoder"], model.recipe["pictures"]
    ids = model.tokenizer.encode(pictures["prompt"].replace("{text}", text))
    kept = pictures["kept"]
    stays = lambda at: at in (0, len(ids) - 1) if kept == "ends" else ids[at] in kept
    blank = [each if stays(at) else pictures["padId"] for at, each in enumerate(ids)]
    embeds = model.run(recipe["embed"]["component"], {"input_ids": np.array([ids, blank], np.int64)})["inputs_embeds"]
    empty = np.zeros((2, decoder["kvHeads"], 0, decoder["headDim"]), np.float32)
    cache = {f"past_key_values.{n}.{part}": empty for n in range(decoder["layers"]) for part in ("key", "value")}
    codes = []
    for step in range(pictures["grid"]["rows"] * pictures["grid"]["columns"]):
        mask = np.ones((2, len(ids) + step), np.int64)
        outputs = model.run(decoder["component"], {"inputs_embeds": embeds, "attention_mask": mask, **cache})
        cache = {name: outputs[name.replace("past_key_values", "present")] for name in cache}
        hidden = outputs[decoder["hidden"]][:, -1:]
        shown, unseen = model.run(pictures["head"]["component"], {"hidden_states": hidden})["logits"][:, -1]
        codes.append(int((unseen + pictures["guidance"] * (shown - unseen)).argmax()))
        both = np.full((2, 1), codes[-1], np.int64)
        embeds = model.run(pictures["embed"]["component"], {"input_ids": both})["inputs_embeds"]
    pixels = model.run(pictures["generator"]["component"], {"codes": np.array([codes], np.int64)})["pixels"][0]
    values = (pixels.transpose(1, 2, 0) * np.array(pictures["std"]) + np.array(pictures["mean"])) * 255
    # Cut, not rounded.
    return codes, Image.fromarray(values.clip(0, 255).astype(np.uint8))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--out", default="out.png")
    parser.add_argument("--codes", action="store_true", help="print the codes, too")
    given = parser.parse_args()
    model = Model(given.folder)
    if "pictures" not in model.recipe:
        raise SystemExit(f"{given.folder}: no model that draws")
    model.tokenizer = Tokenizer(given.folder)
    codes, picture = draw(model, given.prompt)
    picture.save(given.out)
    if given.codes:
        print(*codes)


if __name__ == "__main__":
    main()
