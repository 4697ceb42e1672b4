"""Answers a question about pictures or sounds with the graphs of a vlm-convert output, in plain onnxruntime.

    pip install onnxruntime numpy pillow tokenizers      # Qwen-VL and Monkey: tiktoken, too
    python generate.py <output folder> --image photo.png --prompt "What is this?"
    python generate.py <output folder> --audio bark.wav --prompt "What is that sound?"

How the graphs work together stands in the folder's vlm-convert.json, under "generation", the same way for every model
family: what a picture becomes, how a prompt is written, where features go, what the decoder is fed with. Greedy.
"""

import argparse
import base64
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

import pictures
import sounds

FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Model:
    def __init__(self, folder):
        self.folder = Path(folder)
        generation = json.loads((self.folder / "vlm-convert.json").read_text())["generation"]
        self.recipe, self.image, self.audio = generation["recipe"], generation.get("image"), generation.get("audio")
        self.files, self.stop_ids = generation["components"], generation["stopIds"]
        self.sessions = {}

    def run(self, component, feeds):
        """Outputs of a component, by name. Floats go in as the type that its graph has."""
        if component not in self.sessions:
            path = str(self.folder / self.files[component])
            self.sessions[component] = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        session = self.sessions[component]
        types = {each.name: FLOATS.get(each.type) for each in session.get_inputs()}
        cast = {k: v.astype(types[k], copy=False) if types[k] else v for k, v in feeds.items()}
        return dict(zip((each.name for each in session.get_outputs()), session.run(None, cast)))

    def features(self, prepared):
        """[tokens, hidden], of all pictures or sounds, one after the other."""
        encoder = self.recipe["encoder"]
        calls = [picture.feeds for picture in prepared]
        # Where views are padded to the longest of a call, features hang on it: all pictures go in one.
        calls = [joined(calls)] if encoder["feed"].get("padded") else calls
        outputs = [self.run(encoder["component"], feeds) for feeds in calls]
        rows = [each[encoder["output"]].reshape(-1, self.recipe["hiddenSize"]) for each in outputs]
        if "lengths" in encoder["feed"]:
            # Of a sound only the first rows are features.
            rows = [each[: int(of[encoder["feed"]["lengths"]][0])] for each, of in zip(rows, outputs)]
        return np.concatenate(rows)


def joined(feeds):
    """Inputs of several pictures as those of one call: shorter views with zeros behind them."""
    longest = {name: max(each[name].shape[-1] for each in feeds) for name in feeds[0]}
    widen = lambda name, x: np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, longest[name] - x.shape[-1])])
    return {name: np.concatenate([widen(name, each[name]) for each in feeds]) for name in feeds[0]}


def prompt_ids(recipe, tokenizer, text, prepared):
    """The user's text in the family's form, with one id per feature where pictures stand."""
    form = recipe.get("prompt") or {"picture": "", "withPicture": "{text}", "textOnly": "{text}"}
    template = form["withPicture"] if prepared else form["textOnly"]
    counted = form.get("counted", "{picture}")
    marks = form.get("between", "").join(
        counted.replace("{number}", str(number)).replace("{picture}", picture.text(form))
        for number, picture in enumerate(prepared, 1)
    )
    ids = tokenizer.encode(template.replace("{picture}", marks).replace("{text}", text))
    splice = recipe.get("splice")
    if splice is None:
        return ids
    # Spans in their order: one per picture, or one per view of a picture.
    by_view = "slices" in splice or splice.get("perView", False)
    counts = iter([n for p in prepared for n in ([p.per_view] * p.views if by_view else [p.tokens])])
    wide, at = [], 0
    while at < len(ids):
        if splice["rule"] == "image-token":
            if ids[at] == splice["tokenId"]:
                wide += [*splice.get("before", []), *[ids[at]] * next(counts), *splice.get("after", [])]
            else:
                wide.append(ids[at])
        else:
            wide.append(ids[at])
            if ids[at] == splice["startId"] and splice["endId"] in ids[at:]:
                wide += [splice["padId"]] * next(counts)
                at = ids.index(splice["endId"], at) - 1
        at += 1
    return wide


def places(ids, splice):
    """Where features go, in their order."""
    ids = np.array(ids)
    if splice["rule"] == "image-token":
        return np.flatnonzero(ids == splice["tokenId"])
    inside = np.cumsum(ids == splice["startId"]) - np.cumsum(ids == splice["endId"])
    return np.flatnonzero((inside > 0) & (ids != splice["startId"]))


def positions(ids, where, prepared):
    """[3, tokens] of time, row and column, and the position of what follows."""
    rows, following, at = np.zeros((3, len(ids)), np.int64), 0, 0
    starts, first = {}, 0
    for picture in prepared:
        starts[int(where[first])] = picture
        first += picture.tokens
    while at < len(ids):
        if at in starts:
            height, width = starts[at].grid
            grid = np.stack([np.zeros((height, width), np.int64), *np.indices((height, width))])
            rows[:, at : at + height * width] = following + grid.reshape(3, -1)
            at, following = at + height * width, following + max(1, height, width)
        else:
            rows[:, at] = following
            at, following = at + 1, following + 1
    return rows, following


def prepare(model, images, recordings):
    """Pictures, and paths of WAV files, as the encoder takes them."""
    encoder = model.recipe.get("encoder")
    seen = [pictures.prepare(image, encoder, model.image, len(images) == 1) for image in images]
    return seen + [sounds.prepare_sound(path, encoder, model.audio) for path in recordings]


def generate(model, prepared, text, limit):
    """Yields ids."""
    recipe, decoder = model.recipe, model.recipe["decoder"]
    ids = prompt_ids(recipe, model.tokenizer, text, prepared)
    embed = lambda some: model.run(recipe["embed"]["component"], {"input_ids": np.array([some], np.int64)})["inputs_embeds"]
    embeds = embed(ids).copy()
    where = places(ids, recipe["splice"]) if prepared else np.array([], np.int64)
    if prepared:
        embeds[0, where] = model.features(prepared)
    rows, following = positions(ids, where, prepared) if "positions" in decoder else (None, 0)
    empty = np.zeros((1, decoder["kvHeads"], 0, decoder["headDim"]), np.float32)
    cache = {f"past_key_values.{n}.{part}": empty for n in range(decoder["layers"]) for part in ("key", "value")}
    for step in range(limit):
        total = len(ids) + step
        feeds = {"inputs_embeds": embeds, "attention_mask": np.ones((1, total), np.int64), **cache}
        if "positions" in decoder:
            now = rows if step == 0 else np.full((3, 1), following + step - 1, np.int64)
            feeds["position_ids"] = now[:, None]
        for name in decoder["scalars"]:
            # The length of the prompt, in every step.
            feeds[name] = np.array(len(ids), np.int64)
        outputs = model.run(decoder["component"], feeds)
        cache = {name: outputs[name.replace("past_key_values", "present")] for name in cache}
        token = int(outputs["logits"][0, -1].argmax())
        if token in model.stop_ids:
            return
        yield token
        embeds = embed([token])


class Tokenizer:
    """tokenizer.json, or the tiktoken file of Qwen's first version."""

    def __init__(self, folder):
        ranks = next(Path(folder).glob("*.tiktoken"), None)
        if (Path(folder) / "tokenizer.json").exists() or ranks is None:
            import tokenizers

            own = tokenizers.Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
            self.encode = lambda text: own.encode(text).ids
            self.decode = own.decode
        else:
            import tiktoken

            merges = {base64.b64decode(t): int(r) for t, r in map(str.split, ranks.read_text().splitlines())}
            names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{i}|>" for i in range(205))]
            names += ["<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>", "<img>", "</img>", "<imgpad>"]
            pattern = (
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+"
            )
            special = {name: len(merges) + index for index, name in enumerate(names)}
            own = tiktoken.Encoding("qwen", pat_str=pattern, mergeable_ranks=merges, special_tokens=special)
            self.encode = lambda text: own.encode(text, allowed_special="all")
            self.decode = own.decode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--image", action="append", default=[])
    parser.add_argument("--audio", action="append", default=[])
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--ids", action="store_true", help="print ids instead of text")
    given = parser.parse_args()
    model = Model(given.folder)
    model.tokenizer = Tokenizer(given.folder)
    images = [Image.open(path).convert("RGB") for path in given.image]
    prepared = prepare(model, images, given.audio)
    ids, shown = [], ""
    for token in generate(model, prepared, given.prompt, given.max_tokens):
        ids.append(token)
        text = model.tokenizer.decode(ids)
        # A character may take several tokens.
        if not given.ids and not text.endswith("\ufffd") and text.startswith(shown):
            sys.stdout.write(text[len(shown) :])
            sys.stdout.flush()
            shown = text
    print(" ".join(map(str, ids)) if given.ids else "")


if __name__ == "__main__":
    main()
