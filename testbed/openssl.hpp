#pragma once

// OpenSSL's objects, owned; and its errors as exceptions.
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

// Throws std::runtime_error with what OpenSSL has to say: for what cannot fail but for lack of
// memory or a broken installation.
[[noreturn]] void openssl_failure();

// What OpenSSL gave, where it is neither null nor a status that says failure.
template <class T>
T* need(T* given) {
  if (given == nullptr) openssl_failure();
  return given;
}
inline int need(int status) {
  if (status <= 0) openssl_failure();
  return status;
}

// What went wrong in the meantime leaves nothing in the thread's queue of errors, where whoever
// asks SSL_get_error next would find it.
class QuietErrors {
 public:
  QuietErrors();
  ~QuietErrors();
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;
};

// The text of a string in a certificate as it is, zero bytes and all.
[[nodiscard]] std::string bytes_of(const ASN1_STRING* string);
// What was written to a memory BIO.
[[nodiscard]] std::string_view content_of(BIO* memory);

}  // namespace convoy::testbed
