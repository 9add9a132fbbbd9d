#include "cli/table.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/text.hpp"

namespace convoy::cli {
namespace {

constexpr std::size_t usual_width = 100;
constexpr std::size_t gap = 2;          // in front of each column
constexpr std::size_t least_text = 14;  // narrower texts are hard to read

std::size_t table_width = usual_width;

using Row = std::vector<std::string>;
using Widths = std::vector<std::size_t>;

std::size_t sum(const Widths& widths) {
  return std::accumulate(widths.begin(), widths.end(), widths.size() * gap);
}

// Makes text columns narrower until they fit, as far as possible: always the widest.
void shrink(Widths& widths, const Widths& least, std::size_t width) {
  while (sum(widths) > width) {
    std::optional<std::size_t> widest;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] > least[i] && (!widest || widths[i] > widths[*widest])) widest = i;
    }
    if (!widest) return;
    --widths[*widest];
  }
}

struct Layout {
  const std::vector<Row>& rows;
  const std::vector<bool>& left;
  Widths widths;
  Widths least;  // of texts; of numbers their widths

  // These columns.
  [[nodiscard]] std::string print(const std::vector<std::size_t>& columns) const {
    std::string text;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      std::vector<std::vector<std::string>> cells;
      std::size_t height = 1;
      for (const std::size_t i : columns) {
        cells.push_back(left[i] || r == 0 ? base::wrapped(rows[r][i], widths[i])
                                          : std::vector{rows[r][i]});
        height = std::max(height, cells.back().size());
      }
      for (std::size_t h = 0; h < height; ++h) {
        std::string line;
        for (std::size_t c = 0; c < columns.size(); ++c) {
          const std::string cell = h < cells[c].size() ? cells[c][h] : "";
          const std::size_t width = widths[columns[c]];
          const std::string fill(width - std::min(width, base::width_of(cell)), ' ');
          line += std::string(gap, ' ') + (left[columns[c]] ? cell + fill : fill + cell);
        }
        text += base::without_end(line) + "\n";
      }
    }
    return text;
  }
};

Layout layout_of(const std::vector<Row>& rows, const std::vector<bool>& left, std::size_t width) {
  Layout layout{rows, left, Widths(left.size(), 0), Widths(left.size(), 0)};
  for (std::size_t i = 0; i < left.size(); ++i) {
    for (const Row& row : rows)
      layout.widths[i] = std::max(layout.widths[i], base::width_of(row[i]));
  }
  if (sum(layout.widths) <= width) {
    layout.least = layout.widths;
    return layout;
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::size_t cells = 0;
    std::size_t pieces = 0;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      pieces = std::max(pieces, base::longest_piece(rows[r][i]));
      if (r > 0) cells = std::max(cells, base::width_of(rows[r][i]));
    }
    const std::size_t heading = base::longest_piece(rows.front()[i]);
    layout.least[i] = left[i] ? std::min(layout.widths[i],
                                         std::max({pieces, least_text, (layout.widths[i] + 1) / 2}))
                              : std::max(cells, heading);
  }
  shrink(layout.widths, layout.least, width);
  // Lines that end at their words leave columns narrower still.
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::size_t longest = 0;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      if (r > 0 && !left[i]) {
        longest = std::max(longest, base::width_of(rows[r][i]));
        continue;
      }
      for (const std::string& line : base::wrapped(rows[r][i], layout.widths[i])) {
        longest = std::max(longest, base::width_of(line));
      }
    }
    layout.widths[i] = longest;
  }
  return layout;
}

// The columns that come again in each block: the leading texts, or the first column if all are
// texts. They get at most half of the width.
std::size_t widen_keys(Layout& layout, std::size_t width) {
  const auto first_number = std::ranges::find(layout.left, false) - layout.left.begin();
  auto keys = std::max<std::size_t>(1, static_cast<std::size_t>(first_number));
  if (keys == layout.left.size()) keys = 1;
  // So many that they fit at their least widths.
  while (keys > 1 && keys * (least_text + gap) > width / 2) --keys;
  Widths widths(keys, 0);
  for (std::size_t i = 0; i < keys; ++i) {
    for (const Row& row : layout.rows) widths[i] = std::max(widths[i], base::width_of(row[i]));
  }
  const Widths least(keys, least_text);
  shrink(widths, least, width / 2);
  std::ranges::copy(widths, layout.widths.begin());
  return keys;
}

// Safe for a terminal, without line breaks and tabs.
std::string on_one_line(const std::string& text) {
  if (base::is_printable(text)) return text;
  std::string safe = base::escaped(text);
  std::ranges::replace_if(
      safe, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return safe;
}

}  // namespace

void add_wide(CLI::App& verb) {
  verb.add_flag_callback(
      "--wide", [] { table_width = std::string::npos; }, "Tables wider than 100 columns");
}

Table::Table(std::vector<std::string> headings) {
  for (std::string& heading : headings) {
    left_.push_back(heading.starts_with('<'));
    if (left_.back()) heading.erase(0, 1);
    heading = on_one_line(heading);
  }
  rows_.push_back(std::move(headings));
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(left_.size());
  // Cells may come from foreign stores and files.
  for (std::string& cell : cells) cell = on_one_line(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::str() const {
  if (left_.empty()) return "";
  Layout layout = layout_of(rows_, left_, table_width);
  std::vector<std::size_t> all(left_.size());
  std::iota(all.begin(), all.end(), 0);
  if (sum(layout.widths) <= table_width || all.size() == 1) return layout.print(all);
  const std::size_t keys = widen_keys(layout, table_width);
  std::string text;
  for (std::size_t next = keys; next < all.size();) {
    std::vector<std::size_t> columns(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(keys));
    std::size_t taken = 0;
    for (const std::size_t i : columns) taken += layout.widths[i] + gap;
    do {
      taken += layout.widths[next] + gap;
      columns.push_back(next++);
    } while (next < all.size() && taken + layout.widths[next] + gap <= table_width);
    text += (text.empty() ? "" : "\n") + layout.print(columns);
  }
  return text;
}

}  // namespace convoy::cli
