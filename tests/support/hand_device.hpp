#pragma once

// A device with simple figures: idle 2 W, 10 W while it computes, 4 W while it sends or receives.

namespace convoy::test {

inline constexpr const char* hand_device = R"(
name = "hand"
default_mode = "m"
[memory]
capacity_bytes = { value = 1e10, origin = "measured" }
reserved_bytes = { value = 0, origin = "measured" }
[runtime]
context_bytes = { value = 0, origin = "measured" }
launch_overhead_s = { value = 0, origin = "measured" }
[efficiency]
convolution = { value = 1, origin = "measured" }
matrix_product = { value = 1, origin = "measured" }
attention = { value = 1, origin = "measured" }
elementwise = { value = 1, origin = "measured" }
memory = { value = 1, origin = "measured" }
[[modes]]
name = "m"
peak_fp32_flops = { value = 1e12, origin = "measured" }
peak_fp16_flops = { value = 1e12, origin = "measured" }
memory_bandwidth_bytes_per_s = { value = 1e11, origin = "measured" }
idle_w = { value = 2, origin = "measured" }
busy_w = { value = 10, origin = "measured" }
communicating_w = { value = 4, origin = "measured" }
)";

}  // namespace convoy::test
