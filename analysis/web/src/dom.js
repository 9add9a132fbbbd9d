// Elements from plain JavaScript. Text always goes in as text, never as markup: names of nodes and
// runs come from users.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function button(text, onclick, attributes = {}) {
  return el('button', { type: 'button', onclick, ...attributes }, text);
}

let controls = 0;

// `options`: [value, text] pairs.
export function select(label, options, value, onchange) {
  const id = `control-${(controls += 1)}`;
  const box = el('select', {
    id,
    onchange: () => {
      box.chosen = true; // by the reader
      onchange(box.value);
    },
  });
  fillSelect(box, options, value);
  return el('span', { class: 'control' }, el('label', { for: id }, label), box);
}

export function fillSelect(box, options, value) {
  box.replaceChildren(
    ...options.map(([key, text]) =>
      el('option', { value: key, selected: `${key}` === `${value}` }, text)
    )
  );
}

export function checkbox(label, checked, onchange) {
  const box = el('input', { type: 'checkbox', checked, onchange: () => onchange(box.checked) });
  return el('label', { class: 'control' }, box, el('span', {}, label));
}

// A table that scrolls inside its own box. `head`: texts; `rows`: lists of texts or elements.
// With `names`, the first cell of each row is its header; the first `texts` columns are no numbers;
// `tall`: shown whole.
export function table(caption, head, rows, { names = true, texts = 1, tall = false } = {}) {
  const cell = (content, column) =>
    column === 0 && names
      ? el('th', { scope: 'row' }, content)
      : el(
          'td',
          { class: column >= texts ? 'number' : content.length > 24 ? 'long' : null },
          content
        );
  return el(
    'div',
    {
      class: tall ? 'scroll tall' : 'scroll',
      tabindex: '0',
      role: 'region',
      'aria-label': caption,
    },
    el(
      'table',
      {},
      el('caption', { class: 'unseen' }, caption),
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          head.map((text, column) =>
            el(
              'th',
              { scope: 'col', class: column >= texts ? 'number' : null, title: text },
              ellipsized(text, 32)
            )
          )
        )
      ),
      el(
        'tbody',
        {},
        rows.map((row) => el('tr', {}, row.map(cell)))
      )
    )
  );
}

const fittingColumns = 6;
const small = window.matchMedia('(max-width: 640px)');
const followWidth = () => document.documentElement.classList.toggle('small', small.matches);
small.addEventListener('change', followWidth);
followWidth();

// A table that is shown whole: nothing is cut, nothing scrolls. Where there is no room for its
// columns, on a phone or where there are many, each row becomes a block of one line for a column.
export function wholeTable(caption, head, rows) {
  const blocks = head.length - 1 > fittingColumns;
  return el(
    'div',
    { class: blocks ? 'whole blocks' : 'whole' },
    el(
      'table',
      { role: 'table' },
      el('caption', { class: 'unseen' }, caption),
      el(
        'thead',
        { role: 'rowgroup' },
        el(
          'tr',
          { role: 'row' },
          head.map((text) => el('th', { scope: 'col', role: 'columnheader' }, text))
        )
      ),
      el(
        'tbody',
        { role: 'rowgroup' },
        rows.map(([name, ...cells]) =>
          el(
            'tr',
            { role: 'row' },
            el('th', { scope: 'row', role: 'rowheader' }, name),
            cells.map((content, i) =>
              el('td', { role: 'cell', 'data-head': head[i + 1] }, el('div', {}, content))
            )
          )
        )
      )
    )
  );
}

// What is not usual stands behind a summary; nothing where there is none. `remembered` keeps
// whether the reader has opened it, where the page makes it anew.
export function more(title, content, remembered = {}) {
  const box = el('details', { class: 'more', open: remembered.open }, el('summary', {}, title));
  box.addEventListener('toggle', () => {
    remembered.open = box.open;
  });
  box.append(content);
  return box;
}

// Puts `made` into `container`; boxes that scroll stay the same, with their place and the focus.
export function refill(container, ...made) {
  const before = [...container.children];
  const same =
    before.length === made.length &&
    made.every(
      (element, i) =>
        element.tagName === before[i].tagName && element.className === before[i].className
    );
  if (!same) container.replaceChildren(...made);
  else made.forEach((element, i) => before[i].replaceChildren(...element.childNodes));
}

// The content of a tooltip: a title and lines of [name, value]; `colour` draws a dot before.
export function tip(title, lines) {
  return el(
    'div',
    { class: 'tip' },
    title ? el('strong', {}, title) : null,
    lines
      .filter(Boolean)
      .map(([name, value, colour]) =>
        el(
          'div',
          {},
          colour ? el('span', { class: 'dot', style: `background:${colour}` }) : null,
          el('span', {}, name),
          el('b', {}, value)
        )
      )
  );
}

let measure;
export function textWidth(text, size = 12) {
  measure ??= document.createElement('canvas').getContext('2d');
  measure.font = `${size}px ${fontFamily}`;
  return measure.measureText(text).width;
}

// Lines of words that fit into `width` pixels.
export function wrapped(text, width, size = 12) {
  const lines = [];
  for (const word of text.split(' ')) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && textWidth(longer, size) <= width) lines[lines.length - 1] = longer;
    else lines.push(fittedName(word, width, size));
  }
  return lines;
}

// The start and the end of a name that is wider than `width` pixels.
export function fittedName(name, width, size) {
  if (textWidth(name, size) <= width) return name;
  const letters = [...name];
  let kept = letters.length - 1;
  const cut = () =>
    [
      ...letters.slice(0, Math.ceil(kept / 2)),
      '…',
      ...letters.slice(letters.length - Math.floor(kept / 2)),
    ].join('');
  while (kept > 2 && textWidth(cut(), size) > width) kept -= 1;
  return cut();
}

// Without quotation marks: zrender puts it into attributes of saved SVGs as it is.
export const fontFamily = 'system-ui, Segoe UI, Roboto, DejaVu Sans, Arial, sans-serif';

export function ellipsized(text, length = 28) {
  const letters = [...String(text)];
  return letters.length <= length ? String(text) : `${letters.slice(0, length - 1).join('')}…`;
}
