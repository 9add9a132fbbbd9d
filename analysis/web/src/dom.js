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

// `options`: [value, text] pairs.
export function select(label, options, value, onchange) {
  const box = el('select', { onchange: () => onchange(box.value) });
  fillSelect(box, options, value);
  return el('label', { class: 'control' }, el('span', {}, label), box);
}

export function fillSelect(box, options, value) {
  box.replaceChildren(
    ...options.map(([key, text]) => el('option', { value: key, selected: `${key}` === `${value}` }, text))
  );
}

export function checkbox(label, checked, onchange) {
  const box = el('input', { type: 'checkbox', checked, onchange: () => onchange(box.checked) });
  return el('label', { class: 'control' }, box, el('span', {}, label));
}

// A table that scrolls inside its own box. `head`: texts; `rows`: lists of texts or elements.
// With `names`, the first cell of each row is its header.
export function table(caption, head, rows, { names = true, numbers = true } = {}) {
  const cell = (content, column) =>
    column === 0 && names
      ? el('th', { scope: 'row' }, content)
      : el('td', { class: numbers && column > 0 ? 'number' : null }, content);
  return el(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    el(
      'table',
      {},
      el('caption', { class: 'unseen' }, caption),
      el('thead', {}, el('tr', {}, head.map((text, column) =>
        el('th', { scope: 'col', class: numbers && column > 0 ? 'number' : null }, text)))),
      el('tbody', {}, rows.map((row) => el('tr', {}, row.map(cell))))
    )
  );
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
        el('div', {},
          colour ? el('span', { class: 'dot', style: `background:${colour}` }) : null,
          el('span', {}, name), el('b', {}, value)))
  );
}

let measure;
export function textWidth(text, size = 12) {
  measure ??= document.createElement('canvas').getContext('2d');
  measure.font = `${size}px ${fontFamily}`;
  return measure.measureText(text).width;
}

export const fontFamily = 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif';

export function ellipsized(text, length = 28) {
  const letters = [...String(text)];
  return letters.length <= length ? String(text) : `${letters.slice(0, length - 1).join('')}…`;
}
