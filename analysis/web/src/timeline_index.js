// Finds what of a timeline is in a window, and turns it into rectangles: what is narrower than a
// pixel is merged, and what lasted longest there wins. The cost follows the window and the pixels.

// Items of one node and lane, by begin; they do not overlap.
class Lane {
  constructor(table) {
    this.table = table;
    this.items = [];
  }

  add(i) {
    const { items, table } = this;
    let k = items.length;
    while (k > 0 && table.begin_s[items[k - 1]] > table.begin_s[i]) k -= 1;
    if (k === items.length) items.push(i);
    else items.splice(k, 0, i);
  }

  // Position of the first item that ends after `time`.
  after(time) {
    const { items, table } = this;
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (table.end_s[items[middle]] <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  at(time, slack = 0) {
    const k = this.after(time - slack);
    const i = this.items[k];
    return i !== undefined && this.table.begin_s[i] <= time + slack ? i : -1;
  }

  overlaps(begin, end, hair) {
    const i = this.items[this.after(begin + hair)];
    return i !== undefined && this.table.begin_s[i] < end - hair;
  }
}

export class TimelineIndex {
  constructor(run) {
    this.run = run;
    this.version = 0;
    this.rowOf = new Map(run.nodes.id.map((id, row) => [id, row]));
    this.rows = run.nodes.id.map(() => ({ lanes: [], split: false, waits: null, away: null }));
    this.taken = 0; // activities
    this.tables = {}; // waits and away, as they are in the lanes
    this.end = 0;
    this.grow();
  }

  // Takes in activities that were appended since, and waits and absences that were replaced.
  grow() {
    const { activities, waits, away } = this.run.timeline;
    // Times are rounded, those of a live run in each message to other digits.
    const hair = 1e-8 * (this.run.virtual_time_s ?? 0);
    for (let i = this.taken; i < activities.node.length; i += 1) {
      const row = this.rows[this.rowOf.get(activities.node[i])];
      if (!row) continue;
      const number = activities.lane[i];
      const lane = (row.lanes[number] ??= new Lane(activities));
      if (!row.split) {
        row.split = row.lanes.some(
          (other, n) => n !== number && other?.overlaps(activities.begin_s[i], activities.end_s[i], hair)
        );
      }
      lane.add(i);
      this.end = Math.max(this.end, activities.end_s[i]);
    }
    for (const [name, table] of [
      ['waits', waits],
      ['away', away],
    ]) {
      if (this.tables[name] === table) continue;
      this.tables[name] = table;
      for (const row of this.rows) row[name] = null;
      for (let i = 0; i < table.node.length; i += 1) {
        const row = this.rows[this.rowOf.get(table.node[i])];
        if (!row) continue;
        (row[name] ??= new Lane(table)).add(i);
        this.end = Math.max(this.end, table.end_s[i]);
      }
    }
    this.taken = activities.node.length;
    this.version += 1;
  }

  // What a row shows at a time: {kind, i} or null. `slack`: seconds of a pixel or so.
  at(rowNumber, time, third, slack) {
    const row = this.rows[rowNumber];
    if (!row) return null;
    const lanes = row.split ? [row.lanes[third]] : row.lanes;
    for (const margin of [0, slack]) {
      const away = row.away?.at(time, margin) ?? -1;
      if (away >= 0) return { kind: 'away', i: away };
      for (const lane of lanes) {
        const i = lane?.at(time, margin) ?? -1;
        if (i >= 0) return { kind: 'activities', i };
      }
    }
    const wait = row.waits?.at(time) ?? -1;
    return wait >= 0 ? { kind: 'waits', i: wait } : null;
  }

  // Rectangles {wide, thin}, each [x, y, width, height, ...], for each label, and for waiting, away
  // and lost. Thin ones are too narrow for a hatching to be seen.
  // `view`: {from, to} seconds; x(s) pixels; rows [first, last]; y(row) its top; height of a row.
  scene(view) {
    const { activities, waits, away } = this.run.timeline;
    const rects = () => ({ wide: [], thin: [] });
    const drawn = {
      labels: this.run.timeline.labels.map(rects),
      waiting: rects(),
      away: rects(),
      lost: rects(),
    };
    const labels = new Painter(view, drawn.labels, activities.label);
    const lost = new Painter(view, [drawn.lost], null);
    const waiting = new Painter(view, [drawn.waiting], null);
    const gone = new Painter(view, [drawn.away], null);
    for (let number = view.rows[0]; number <= view.rows[1]; number += 1) {
      const row = this.rows[number];
      if (!row) continue;
      const top = view.y(number);
      if (row.waits) waiting.lane(row.waits, waits, top, view.height);
      row.lanes.forEach((lane, n) => {
        if (!lane) return;
        const third = view.height / 3;
        const y = row.split ? top + third * n : top;
        const height = row.split ? third : view.height;
        labels.lane(lane, activities, y, height);
        lost.lane(lane, activities, y, height, (i) => activities.cause[i] > 0);
      });
      if (row.away) gone.lane(row.away, away, top, view.height);
    }
    return drawn;
  }
}

class Painter {
  constructor(view, rects, styles) {
    this.view = view;
    this.rects = rects;
    this.styles = styles;
    this.sums = new Float64Array(rects.length);
  }

  lane(lane, table, y, height, wanted) {
    const { view, sums } = this;
    const { items } = lane;
    const { begin_s: begins, end_s: ends } = table;
    let pixel = -1;
    let covered = 0;
    let drawnTo = -9;
    const flush = () => {
      if (covered === 0) return;
      let best = 0;
      for (let s = 1; s < sums.length; s += 1) if (sums[s] > sums[best]) best = s;
      // Gaps win where they are longer, except that nothing that happened alone disappears.
      if (covered >= 1 / 3 || pixel > drawnTo + 2) {
        this.push(best, pixel, y, 1, height);
        drawnTo = pixel;
      }
      sums.fill(0);
      covered = 0;
    };
    for (let k = lane.after(view.from); k < items.length; k += 1) {
      const i = items[k];
      if (begins[i] >= view.to) break;
      if (wanted && !wanted(i)) continue;
      const style = this.styles ? this.styles[i] : 0;
      const from = Math.max(view.x(begins[i]), view.left);
      const to = Math.min(view.x(ends[i]), view.right);
      if (to - from >= 1.2) {
        flush();
        this.push(style, from, y, to - from, height);
        drawnTo = to;
        pixel = -1;
        continue;
      }
      if (Math.floor(from) !== pixel) {
        flush();
        pixel = Math.floor(from);
      }
      const width = Math.max(to - from, 1e-6);
      sums[style] += width;
      covered += width;
    }
    flush();
  }

  push(style, x, y, width, height) {
    const { wide, thin } = this.rects[style];
    const last = thin.length - 4;
    if (width > 3) wide.push(x, y, width, height);
    else if (last >= 0 && thin[last + 1] === y && width === 1 && thin[last] + thin[last + 2] === x)
      thin[last + 2] += width;
    else thin.push(x, y, width, height);
  }
}
