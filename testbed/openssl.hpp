#pragma once

// Owning pointers to OpenSSL's objects, and OpenSSL's errors as exceptions.
//
//   const Owned<X509_CRL> list(need(X509_CRL_new()));
//   need(X509_CRL_set_version(list.get(), 1));

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "base/non_copyable.hpp"

namespace convoy::testbed {

struct Release {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(X509_CRL* x) const { X509_CRL_free(x); }
  void operator()(X509_REVOKED* x) const { X509_REVOKED_free(x); }
  void operator()(X509_EXTENSION* x) const { X509_EXTENSION_free(x); }
  void operator()(X509_STORE* x) const { X509_STORE_free(x); }
  void operator()(X509_STORE_CTX* x) const { X509_STORE_CTX_free(x); }
  void operator()(EVP_PKEY* x) const { EVP_PKEY_free(x); }
  void operator()(ASN1_STRING* x) const { ASN1_STRING_free(x); }  // times and integers are such
  void operator()(ASN1_OBJECT* x) const { ASN1_OBJECT_free(x); }
  void operator()(GENERAL_NAME* x) const { GENERAL_NAME_free(x); }
  void operator()(GENERAL_NAMES* x) const { GENERAL_NAMES_free(x); }
  void operator()(BIGNUM* x) const { BN_free(x); }
  void operator()(BIO* x) const { BIO_free_all(x); }
};
template <class T>
using Owned = std::unique_ptr<T, Release>;

// Throws std::runtime_error with OpenSSL's message: for functions that fail only for lack of memory
// or in broken installations.
[[noreturn]] void openssl_failure();

// Gives OpenSSL's result; calls openssl_failure() for null or a failure status.
template <class T>
T* need(T* given) {
  if (given == nullptr) openssl_failure();
  return given;
}
inline int need(int status) {
  if (status <= 0) openssl_failure();
  return status;
}

// Removes errors that occur during its life from OpenSSL's error queue of the thread, where the
// next caller of SSL_get_error would find them.
class QuietErrors : base::NonCopyable {
 public:
  QuietErrors();
  ~QuietErrors();
};

// The bytes of a certificate's string, including zero bytes.
[[nodiscard]] std::string bytes_of(const ASN1_STRING* string);
// The bytes written to a memory BIO.
[[nodiscard]] std::string_view content_of(BIO* memory);

}  // namespace convoy::testbed
