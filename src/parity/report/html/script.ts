/**
 * The page's script. Everything is on the page without it; it sorts tables, turns the heat maps of several levels
 * into tabs, and reads out what the pointer or the arrow keys are at. Written for browsers of the last few years.
 */
export const script = `'use strict';
(() => {
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const report = JSON.parse(document.getElementById('parity-report').textContent);
const number = (value) => {
  if (value === null || value === undefined) return 'not finite';
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e5 ? value.toExponential(2).replace(/\\.?0+e/, 'e') : String(Number(value.toPrecision(4)));
};

// Tables: a button in each head sorts by it, once more turns the order round.
for (const table of all('table.sortable')) {
  const heads = all('thead th', table);
  heads.forEach((head, column) => {
    const numeric = head.classList.contains('num');
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending' || (numeric && !head.hasAttribute('aria-sort'));
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => {
        const cell = row.cells[column];
        const text = cell.dataset.v ?? cell.textContent.trim();
        return { row, text, value: numeric ? Number(text || NaN) : text };
      });
      const empty = ({ text, value }) => text === '' || Number.isNaN(value);
      rows.sort((a, b) => {
        if (empty(a) || empty(b)) return empty(a) - empty(b);
        const order = numeric ? (a.value < b.value ? -1 : a.value > b.value ? 1 : 0)
          : a.text.localeCompare(b.text, 'en', { numeric: true });
        return down ? -order : order;
      });
      body.append(...rows.map(({ row }) => row));
    });
  });
}

// Tabs: one panel at a time, arrow keys go along.
for (const group of all('[data-tabs]')) {
  const panels = all(':scope > [data-tab]', group);
  if (panels.length < 2) continue;
  const list = document.createElement('div');
  list.className = 'tabs';
  list.setAttribute('role', 'tablist');
  list.setAttribute('aria-label', group.dataset.tabs);
  const tabs = panels.map((panel, index) => {
    const tab = document.createElement('button');
    tab.type = 'button';
    tab.textContent = panel.dataset.tab;
    tab.id = group.id + '-tab-' + index;
    panel.id = group.id + '-panel-' + index;
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', panel.id);
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', tab.id);
    const title = panel.querySelector('h3');
    if (title) title.hidden = true;
    tab.addEventListener('click', () => choose(index));
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const next = (index + step + tabs.length) % tabs.length;
      choose(next);
      tabs[next].focus();
    });
    return tab;
  });
  const choose = (chosen) => tabs.forEach((tab, index) => {
    tab.setAttribute('aria-selected', String(index === chosen));
    tab.tabIndex = index === chosen ? 0 : -1;
    panels[index].hidden = index !== chosen;
  });
  list.append(...tabs);
  panels[0].before(list);
  choose(Math.max(0, panels.findIndex((panel) => panel.hasAttribute('data-chosen'))));
}

// What is pointed at, or reached with the arrow keys, is read in one bubble and to screen readers.
const tip = document.createElement('div');
tip.id = 'tip';
tip.hidden = true;
const says = document.createElement('div');
says.className = 'quiet';
says.setAttribute('aria-live', 'polite');
document.body.append(tip, says);
const show = (text, x, y) => {
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, x + 14), innerWidth - width - 8);
  const top = y - height - 14 < 8 ? y + 18 : y - height - 14;
  tip.style.left = left + 'px';
  tip.style.top = top + 'px';
};
const hide = () => { tip.hidden = true; };
addEventListener('scroll', hide, { passive: true });
addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });

const block = (which, metrics) => which + ': ' + (metrics.nonFinite > 0 ? 'not finite' : number(metrics.relative))
  + ', cosine ' + number(metrics.cosine) + (metrics.worst ? ', worst at ' + metrics.worst : '');
const columnText = {
  curve: ([curve], at) => {
    const found = report.curves[curve].blocks[at];
    return ['block ' + at + ', ' + found.name, ...['accumulated', 'local', 'implementation', 'rewrite']
      .flatMap((which) => found[which] === undefined ? [] : [block(which, found[which])])].join('\\n');
  },
  frames: ([level, output, map], at) => {
    const found = report.levels[level].outputs[output].metrics.tokens[map];
    return found.view + ', frame ' + at + ' (' + (at * found.seconds).toFixed(2) + ' s)\\n' + number(found.errors[at]);
  },
  ranges: ([index], at) => {
    const { sizes } = report.ranges;
    const ids = [...new Set(sizes.flatMap(({ components }) => components.map(({ component }) => component)))];
    const own = sizes.flatMap(({ size, components }) => components.filter(({ component }) => component === ids[index]).map(({ blocks }) => ({ size, blocks })));
    const name = [...new Set(own.flatMap(({ blocks }) => blocks.map((block) => block.name)))][at];
    return ['block ' + at + ', ' + name, ...own.flatMap(({ size, blocks }) => {
      const found = blocks.find((block) => block.name === name);
      return found === undefined ? [] : [size + ': largest ' + number(found.max) + ', headroom ' + number(found.headroom)];
    })].join('\\n');
  },
  histogram: ([level, output], at) => {
    const { edges, counts } = report.levels[level].outputs[output].metrics.differences;
    const from = at === 0 ? 'below' : number(edges[at]) + ' to';
    const to = at === 0 ? number(edges[1]) : at === counts.length - 1 ? 'more' : number(edges[at + 1]);
    return from + ' ' + to + '\\n' + counts[at] + (counts[at] === 1 ? ' number' : ' numbers');
  },
};
for (const area of all('[data-plot]')) {
  const [kind, ...where] = area.dataset.plot.split(':');
  const columns = Number(area.dataset.columns);
  const cursor = area.querySelector('.cursor');
  let at = -1;
  const go = (column, y) => {
    at = Math.min(columns - 1, Math.max(0, column));
    const box = area.getBoundingClientRect();
    cursor.hidden = false;
    cursor.style.left = (100 * at) / columns + '%';
    cursor.style.width = 100 / columns + '%';
    show(columnText[kind](where, at), box.left + ((at + 0.5) / columns) * box.width, y ?? box.top + 40);
  };
  const leave = () => { cursor.hidden = true; hide(); };
  area.addEventListener('pointermove', (event) => {
    const box = area.getBoundingClientRect();
    go(Math.floor(((event.clientX - box.left) / box.width) * columns), event.clientY);
  });
  area.addEventListener('pointerleave', leave);
  area.addEventListener('blur', leave);
  area.addEventListener('keydown', (event) => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: columns - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
    says.textContent = tip.textContent;
  });
}

for (const board of all('[data-heat]')) {
  const [level, output] = board.dataset.heat.split(':');
  const views = JSON.parse(board.dataset.views);
  const maps = report.levels[level].outputs[output].metrics.tokens;
  const svg = board.querySelector('svg');
  const mark = svg.querySelector('.at');
  let x = 0;
  let y = 0;
  const find = () => views.find((view) => x >= view.x && y >= view.y && x < view.x + view.width && y < view.y + view.height);
  const go = (speak, pointer) => {
    const view = find();
    if (view === undefined) { mark.setAttribute('hidden', ''); hide(); return; }
    const map = maps[view.map];
    const wide = view.width / map.columns;
    const high = view.height / map.rows;
    const column = Math.floor((x - view.x) / wide);
    const row = Math.floor((y - view.y) / high);
    x = view.x + (column + 0.5) * wide;
    y = view.y + (row + 0.5) * high;
    const box = { x: view.x + column * wide, y: view.y + row * high, width: wide, height: high };
    for (const key in box) mark.setAttribute(key, box[key]);
    mark.removeAttribute('hidden');
    const text = map.view + '\\ntoken row ' + row + ' column ' + column + '\\n'
      + number(map.errors[row * map.columns + column]);
    const place = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
    show(text, pointer ? pointer.clientX : place.x, pointer ? pointer.clientY : place.y);
    if (speak) says.textContent = text;
  };
  const leave = () => { mark.setAttribute('hidden', ''); hide(); };
  board.addEventListener('pointermove', (event) => {
    ({ x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()));
    go(false, event);
  });
  board.addEventListener('pointerleave', leave);
  board.addEventListener('blur', leave);
  board.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const view = find() ?? views[0];
    const map = maps[view.map];
    const before = [x, y];
    if (!mark.hasAttribute('hidden')) {
      x += (step[0] * view.width) / map.columns;
      y += (step[1] * view.height) / map.rows;
      if (find() === undefined) [x, y] = before;
    }
    go(true);
  });
}

// Paper shows everything.
let opened = [];
addEventListener('beforeprint', () => {
  opened = [...all('details:not([open])'), ...all('[data-tab][hidden]')];
  for (const element of opened) element.tagName === 'DETAILS' ? (element.open = true) : (element.hidden = false);
});
addEventListener('afterprint', () => {
  for (const element of opened) element.tagName === 'DETAILS' ? (element.open = false) : (element.hidden = true);
});
})();
`;
