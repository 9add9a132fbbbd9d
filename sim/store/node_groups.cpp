#include "sim/store/node_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "sim/store/foreign_store.hpp"
#include "sim/store/sql.hpp"

namespace convoy::sim {
namespace {

// Whoever reads a store keeps a row for each.
constexpr std::int64_t most_nodes = 5'000'001;
constexpr std::int64_t most_texts = std::int64_t{1} << 31;

}  // namespace

NodeRow part_of(const NodeRow& row, std::int64_t from, std::int64_t count) {
  NodeRow part = row;
  part.id = from;
  part.span.alike = count;
  if (row.span.number) part.span.number = *row.span.number + (from - row.id);
  if (count == 1 && part.span.number) {
    part.name = fmt::format("{}-{}", row.name, *part.span.number);
    part.span.number.reset();
  }
  return part;
}

void divide(const std::vector<NodeRow>& rows, std::vector<NodeEnd> ends,
            const std::function<void(const NodeRow&, const NodeEnd*)>& visit) {
  std::ranges::sort(ends, {}, &NodeEnd::id);
  auto end = ends.begin();
  for (const NodeRow& row : rows) {
    const std::int64_t after = row.id + row.span.alike;
    for (std::int64_t id = row.id; id < after;) {
      while (end != ends.end() && end->id + end->alike <= id) ++end;
      const bool is_known = end != ends.end() && end->id <= id;
      std::int64_t until = after;
      if (end != ends.end()) until = std::min(after, is_known ? end->id + end->alike : end->id);
      const NodeRow part = part_of(row, id, until - id);
      if (is_known) {
        NodeEnd of_part = *end;
        of_part.id = id;
        of_part.alike = until - id;
        visit(part, &of_part);
      } else {
        visit(part, nullptr);
      }
      id = until;
    }
  }
}

std::string node_tables() {
  std::string columns;
  const auto add = [&](const auto& c) {
    const std::string name = c.name;
    if (name == "id") {
      columns += "one.id AS id";
    } else if (name == "name") {
      columns +=
          ", CASE WHEN number IS NULL THEN name ELSE "
          "name || '-' || (number + one.id - g.id) END AS name";
    } else {
      columns += ", " + name;
    }
  };
  for_each_column<NodeRow>(add);
  for_each_column<NodeEnd>(add);
  return create_table<NodeRow, NodeSpan, NodeEnd>() +
         fmt::format(
             "CREATE VIEW node AS WITH RECURSIVE one(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM "
             "one WHERE id + 1 < (SELECT MAX(id + alike) FROM node_group)) SELECT {} FROM one "
             "CROSS "
             "JOIN node_group g ON g.id = (SELECT MAX(id) FROM node_group WHERE id <= one.id) AND "
             "one.id < g.id + g.alike;\n",
             columns);
}

std::vector<NodeGroup> read_node_groups(const std::filesystem::path& file,
                                        SQLite::Database& database, bool has_gaps) {
  constexpr const char* table = Table<NodeRow>::name;
  SQLite::Statement rows(
      database, fmt::format("SELECT {}, {}, {} FROM {} ORDER BY id", column_names<NodeRow>(),
                            column_names<NodeSpan>(), column_names<NodeEnd>(), table));
  std::vector<NodeGroup> groups;
  std::int64_t place = 0;
  std::int64_t texts = 0;  // bytes, of all nodes: whoever reads the store writes them out
  while (rows.executeStep()) {
    NodeGroup& group = groups.emplace_back();
    group.row = read_row<NodeRow>(rows);
    group.row.span = read_row<NodeSpan>(rows, column_count<NodeRow>);
    const NodeSpan& span = group.row.span;
    check_number(file, table, "id", group.row.id, place, has_gaps ? most_nodes : place + 1);
    check_number(file, table, "alike", span.alike, 1, most_nodes - group.row.id);
    check_number(file, table, "number", span.number.value_or(0), 0,
                 std::numeric_limits<std::int64_t>::max() - most_nodes);
    const NodeRow& row = group.row;
    for (const std::string* text : {&row.name, &row.device, &row.mode, &row.link, &row.backend}) {
      check_text(file, table, text->size());
      texts += static_cast<std::int64_t>(text->size()) * span.alike;
    }
    check_number(file, table, "bytes of all nodes' texts", texts, 0, most_texts);
    place = group.row.id + span.alike;
    constexpr int first = column_count<NodeRow> + column_count<NodeSpan>;
    if (rows.getColumn(first).isNull()) continue;
    group.end = read_row<NodeEnd>(rows, first);
    group.end->id = group.row.id;
    group.end->alike = span.alike;
  }
  return groups;
}

std::string name_in_sql(const std::string& node) {
  return fmt::format(
      "(SELECT CASE WHEN g.number IS NULL THEN g.name ELSE g.name || '-' || (g.number + {0} - "
      "g.id) "
      "END FROM node_group g WHERE g.id <= {0} AND {0} < g.id + g.alike ORDER BY g.id DESC LIMIT "
      "1)",
      node);
}

}  // namespace convoy::sim
