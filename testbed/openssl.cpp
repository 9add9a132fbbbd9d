#include "testbed/openssl.hpp"

#include <fmt/format.h>
#include <openssl/buffer.h>
#include <openssl/err.h>

#include <array>
#include <stdexcept>

namespace convoy::testbed {

void openssl_failure() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    std::array<char, 256> line{};
    ERR_error_string_n(code, line.data(), line.size());
    text += fmt::format("{}{}", text.empty() ? "" : "; ", line.data());
  }
  throw std::runtime_error("OpenSSL: " + (text.empty() ? "an error without a reason" : text));
}

QuietErrors::QuietErrors() { ERR_set_mark(); }
QuietErrors::~QuietErrors() { ERR_pop_to_mark(); }

std::string bytes_of(const ASN1_STRING* string) {
  const unsigned char* data = ASN1_STRING_get0_data(string);
  return {data, data + ASN1_STRING_length(string)};
}

std::string_view content_of(BIO* memory) {
  BUF_MEM* buffer = nullptr;
  need(static_cast<int>(BIO_ctrl(memory, BIO_C_GET_BUF_MEM_PTR, 0, &buffer)));
  return {buffer->data, buffer->length};
}

}  // namespace convoy::testbed
