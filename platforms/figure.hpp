#pragma once

// A number with its source. All figures of the catalogue have this form.

#include <string>

#include "base/table_reader.hpp"

namespace convoy::platforms {

enum class Origin { datasheet, computed, measured, fitted, assumed };

struct Figure {
  double value = 0;
  Origin origin = Origin::assumed;
  std::string note;  // how it was computed or assumed
};

std::string name_of(Origin origin);

// Reads { value = N, origin = "...", note = "..." }; computed and assumed figures need a note.
Figure read_figure(base::TableReader& parent, std::string_view key, base::Range range);

}  // namespace convoy::platforms
