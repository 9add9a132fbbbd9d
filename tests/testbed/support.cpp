#include "tests/testbed/support.hpp"

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "testbed/certificates.hpp"

namespace convoy::testbed::test {

int verify(X509& certificate, const std::filesystem::path& authority, const char* purpose) {
  const Owned<X509> root = read_certificate(authority / "certificate.pem");
  const Owned<X509_CRL> list = read_list(authority);
  const Owned<X509_STORE> store(need(X509_STORE_new()));
  need(X509_STORE_add_cert(store.get(), root.get()));
  need(X509_STORE_add_crl(store.get(), list.get()));
  need(X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_X509_STRICT));
  const Owned<X509_STORE_CTX> context(need(X509_STORE_CTX_new()));
  need(X509_STORE_CTX_init(context.get(), store.get(), &certificate, nullptr));
  const X509_PURPOSE* wanted =
      X509_PURPOSE_get0(X509_PURPOSE_get_by_sname(const_cast<char*>(purpose)));
  need(X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_get_id(wanted)));
  const QuietErrors quiet;
  X509_verify_cert(context.get());
  return X509_STORE_CTX_get_error(context.get());
}

Owned<X509_CRL> read_list(const std::filesystem::path& authority) {
  const Owned<BIO> file(need(BIO_new_file((authority / "crl.pem").c_str(), "r")));
  return Owned<X509_CRL>(need(PEM_read_bio_X509_CRL(file.get(), nullptr, nullptr, nullptr)));
}

long number_of(const X509_CRL& list) {
  const Owned<ASN1_INTEGER> number(static_cast<ASN1_INTEGER*>(
      need(X509_CRL_get_ext_d2i(&list, NID_crl_number, nullptr, nullptr))));
  return ASN1_INTEGER_get(number.get());
}

}  // namespace convoy::testbed::test
