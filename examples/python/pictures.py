"""What a vision graph takes of a picture, in the forms that there are: "feed" in the recipe says which."""

from dataclasses import dataclass
from math import ceil, floor, log, sqrt

import numpy as np
from PIL import Image

FILTERS = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR, "lanczos": Image.LANCZOS}


@dataclass
class Prepared:
    feeds: dict
    """Inputs of the vision graph, by name."""
    tokens: int
    per_view: int
    views: int
    grid: tuple = (0, 0)
    """Rows and columns of tokens, where positions need them."""
    slices: tuple = (0, 0)
    """Rows and columns of slices, where prompts show them."""
    by_view: bool = True
    """Whether prompts that write pictures view by view write this one so."""

    def text(self, form):
        """What stands for the picture in a prompt."""
        if "views" not in form or not self.by_view:
            return form["picture"]
        view = form["views"]["view"].replace("{features}", form["views"]["feature"] * self.per_view)
        rows, columns = self.slices
        if rows == 0:
            return view
        return view + form["views"]["slices"].replace("{rows}", form["views"]["rowBreak"].join([view * columns] * rows))


def prepare(image, encoder, geometry, alone=True):
    """`alone`: no other picture shares the prompt."""
    feed, name = encoder["feed"], encoder["input"]
    if feed["form"] == "pixels":
        pixels = normalise(run_steps(image, geometry["steps"]), geometry)
        return Prepared({name: pixels[None]}, geometry["tokens"], geometry["tokensPerView"], len(geometry["views"]))
    if feed["form"] == "patch-rows":
        return patch_rows(image, name, feed, geometry)
    if feed["form"] == "tiles":
        return tiles(image, name, feed, geometry, alone)
    return slices(image, name, feed, geometry)


def normalise(image, geometry):
    """[3, height, width]"""
    values = np.asarray(image, np.float32) / 255
    planes = ((values - np.float32(geometry["mean"])) / np.float32(geometry["std"])).transpose(2, 0, 1)
    return np.ascontiguousarray(planes)


def run_steps(image, steps):
    for step in steps:
        if step["step"] == "resize":
            image = image.resize((step["to"]["width"], step["to"]["height"]), FILTERS[step["filter"]])
        elif step["step"] == "shortest-side":
            (width, height), side = image.size, step["side"]
            size = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
            image = image.resize(size, FILTERS[step["filter"]])
        elif step["step"] == "center-crop":
            (width, height), to = image.size, step["to"]
            left, top = floor((width - to["width"]) / 2), floor((height - to["height"]) / 2)
            image = image.crop((left, top, left + to["width"], top + to["height"]))
        elif step["step"] == "inside":
            image = image.resize(inside(image.size, step), FILTERS[step["filter"]])
        elif step["step"] in ("pad", "pad-square"):
            side = max(image.size)
            to = (step["to"]["width"], step["to"]["height"]) if step["step"] == "pad" else (side, side)
            padded = Image.new("RGB", to, tuple(int(each) for each in step["color"]))
            padded.paste(image, ((to[0] - image.width) // 2, (to[1] - image.height) // 2))
            image = padded
    return image


def inside(size, step):
    """As large as fits, in proportion."""
    (width, height), to = size, step["to"]
    wide = width * to["height"] >= height * to["width"]
    longer, target = (width, to["width"]) if wide else (height, to["height"])
    down = step["rounding"] == "down"
    scaled = lambda side: int(side / longer * target) if down else round(side * (target / longer))
    return tuple(max(scaled(side), step["least"]) for side in size)


def patch_rows(image, name, feed, geometry):
    """Qwen2-VL: rows of patches, in blocks of merge x merge, each frame twice."""
    patch, merge, frames = feed["patch"], feed["merge"], feed["frames"]
    if "grid" in feed:
        image = image.resize(smart_resize(image.size, patch * merge, feed["minPixels"], feed["maxPixels"]), Image.BICUBIC)
    else:
        image = run_steps(image, geometry["steps"])
    pixels = normalise(image, geometry)
    rows, columns = pixels.shape[1] // patch, pixels.shape[2] // patch
    blocks = np.stack([pixels] * frames).reshape(
        frames, 3, rows // merge, merge, patch, columns // merge, merge, patch
    )
    flat = blocks.transpose(2, 5, 3, 6, 1, 0, 4, 7).reshape(rows * columns, -1)
    feeds = {name: flat}
    if "grid" in feed:
        feeds[feed["grid"]] = np.array([[1, rows, columns]], np.int64)
    grid = (rows // merge, columns // merge)
    return Prepared(feeds, grid[0] * grid[1], grid[0] * grid[1], 1, grid)


def smart_resize(size, unit, least, most):
    rounded = [round(side / unit) * unit for side in size]
    area = size[0] * size[1]
    if rounded[0] * rounded[1] > most:
        beta = sqrt(area / most)
        return tuple(floor(side / beta / unit) * unit for side in size)
    if rounded[0] * rounded[1] < least:
        beta = sqrt(least / area)
        return tuple(ceil(side * beta / unit) * unit for side in size)
    return tuple(rounded)


def slices(image, name, feed, geometry):
    """MiniCPM: the whole picture, and slices of it where it is large; patches of a view side by side."""
    patch, known = feed["patch"], feed.get("known")
    source, grid, size = cut(image.size, feed) if known is None else stored(known)
    views = [image.resize(source, Image.BICUBIC)]
    if grid is not None:
        views += pieces(image, *grid, *size)
    laid = []
    for view in views:
        pixels = normalise(view, geometry)
        _, height, width = pixels.shape
        laid.append(pixels.reshape(3, height // patch, patch, width).transpose(0, 2, 1, 3).reshape(3, patch, -1))
    longest = max(each.shape[2] for each in laid)
    feeds = {name: np.stack([np.pad(each, ((0, 0), (0, 0), (0, longest - each.shape[2]))) for each in laid])}
    if "sizes" in feed:
        feeds[feed["sizes"]] = np.array([[v.height // patch, v.width // patch] for v in views], np.int64)
    per_view = geometry["tokensPerView"]
    return Prepared(feeds, per_view * len(views), per_view, len(views), slices=grid or (0, 0))


def pieces(image, rows, columns, width, height):
    """The picture, resized once and cut, row by row."""
    whole = image.resize((width * columns, height * rows), Image.BICUBIC)
    corners = [(column * width, row * height) for row in range(rows) for column in range(columns)]
    return [whole.crop((left, top, left + width, top + height)) for left, top in corners]


def tiles(image, name, feed, geometry, alone):
    """NVILA: square tiles at several scales, the last of which has about the picture's shape."""
    side, joined = feed["side"], feed["joined"]
    own = nearest_grid(image.size, feed) if alone else (1, 1)
    grids = [(n, n) if alone else (1, 1) for n in feed["squares"]] + [own]
    if "known" in feed:
        grids = [(each["rows"], each["columns"]) for each in feed["known"]]
    views = [piece for grid in grids for piece in pieces(image, *grid, side, side)]
    if not joined and len(views) > 1:
        views.append(image.resize((side, side), Image.BICUBIC))
    feeds = {name: np.stack([normalise(view, geometry) for view in views])}
    if "grids" in feed:
        feeds[feed["grids"]] = np.array(grids, np.int64)
    rows, columns = grids[feed["output"]]
    per_view = feed["tokens"] ** 2 * (rows * columns if joined else 1)
    count = 1 if joined else len(views)
    written = alone or "known" in feed
    return Prepared(
        feeds, count * per_view, per_view, count, slices=grids[-1] if count > 1 else (0, 0), by_view=written
    )


def nearest_grid(size, feed):
    """Of so many tiles, the rows and columns whose sides are nearest to the picture's in proportion."""
    (width, height), best, smallest = size, (1, 1), float("inf")
    for count in range(feed["least"], feed["most"] + 1):
        for columns in (each for each in range(1, count + 1) if count % each == 0):
            error = abs(width / height - columns / (count // columns))
            fills = width * height > 0.5 * feed["side"] ** 2 * count
            if error < smallest or (error == smallest and fills):
                best, smallest = (count // columns, columns), error
    return best


def stored(known):
    """Of a graph that is compiled for one size: the same cut for every picture."""
    pair = lambda size: (size["width"], size["height"])
    if "slices" not in known:
        return pair(known["source"]), None, None
    grid = known["slices"]["grid"]
    return pair(known["source"]), (grid["rows"], grid["columns"]), pair(known["slices"]["size"])


def cut(size, feed):
    """Size of the whole view, rows and columns of slices, size of a slice."""
    scale, patch = feed["scale"], feed["patch"]
    near = lambda length, unit: max(round(length / unit) * unit, unit)

    def best(width, height):
        ratio = width / height
        scaled = int(scale / sqrt(ratio))
        return near(int(scaled * ratio), patch), near(scaled, patch)

    source = best(*size)
    multiple = min(ceil(size[0] * size[1] / scale**2), feed["maxSlices"])
    if multiple <= 1:
        return source, None, None
    counts = [n for n in (multiple - 1, multiple, multiple + 1) if n != 1 and n <= feed["maxSlices"]]
    grids = [(n // columns, columns) for n in counts for columns in range(1, n + 1) if n % columns == 0]
    rows, columns = min(grids, key=lambda grid: abs(log(size[0] / size[1]) - log(grid[1] / grid[0])))
    return source, (rows, columns), best(near(size[0], columns) / columns, near(size[1], rows) / rows)
