#pragma once

// A number with its source. All figures of the catalogue have this form.

#include <string>

#include "base/table_reader.hpp"

namespace convoy::platforms {

enum class Origin { datasheet, computed, measured, fitted, assumed };
inline constexpr base::Words<Origin> origin_words = {{Origin::datasheet, "datasheet"},
                                                     {Origin::computed, "computed"},
                                                     {Origin::measured, "measured"},
                                                     {Origin::fitted, "fitted"},
                                                     {Origin::assumed, "assumed"}};

struct Figure {
  double value = 0;
  Origin origin = Origin::assumed;
  std::string note;  // how it was computed or assumed
};

// Reads { value = N, origin = "...", note = "..." }; computed and assumed figures need a note.
Figure read_figure(base::TableReader& parent, std::string_view key, base::Range range);

}  // namespace convoy::platforms
