// The pure rules of HTTP: origins, redirects, escapes, pauses, ETags, hashes.
#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/blob_hash.h"
#include "hub/hub_api.h"
#include "hub/retry.h"
#include "hub/web_address.h"

namespace mlxe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

TEST(Origin, IsSchemeHostAndPort) {
  EXPECT_EQ(origin_of("https://Hub.co/a?b"), "https://hub.co:443");
  EXPECT_EQ(origin_of("HTTP://hub.co:8080"), "http://hub.co:8080");
  EXPECT_EQ(origin_of("http://[::1]/x"), "http://[::1]:80");
  EXPECT_EQ(origin_of("http://[::1]:81/x"), "http://[::1]:81");
  EXPECT_NE(origin_of("https://hub.co"), origin_of("https://hub.co.evil"));
}

TEST(Origin, IsEmptyForWhatIsNoWebAddress) {
  for (const char* url :
       {"", "file:///etc/passwd", "ftp://a", "hub.co", "https://", "https://hub.co@evil/", "http:///x"}) {
    EXPECT_EQ(origin_of(url), "") << url;
  }
  EXPECT_EQ(origin_of("https://hub.co\\@evil/"), "https://hub.co:443");
}

TEST(Redirect, NeverLeavesEncryption) {
  EXPECT_EQ(refusal_of_redirect("https://a/x", "https://b/x"), "");
  EXPECT_EQ(refusal_of_redirect("http://a/x", "https://b/x"), "");
  EXPECT_EQ(refusal_of_redirect("http://a/x", "http://b/x"), "");
  EXPECT_THAT(refusal_of_redirect("https://a/x", "http://a/x"), HasSubstr("not encrypted"));
  EXPECT_THAT(refusal_of_redirect("HTTPS://a/x", "HTTP://a/x"), HasSubstr("not encrypted"));
  EXPECT_THAT(refusal_of_redirect("http://a/x", "file:///etc/passwd"), HasSubstr("no web address"));
}

TEST(EscapeUrl, KeepsPlainCharacters) {
  EXPECT_EQ(escape_url("1_Pooling/a b#%.json", true), "1_Pooling/a%20b%23%25.json");
  EXPECT_EQ(escape_url("refs/pr/1", false), "refs%2Fpr%2F1");
}

TEST(Pause, OfTheServersHeaders) {
  EXPECT_EQ(wanted_pause({.headers = {{"retry-after", "7"}}}), seconds(7));
  EXPECT_EQ(wanted_pause({.headers = {{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}}}), seconds(0));
  EXPECT_GT(wanted_pause({.headers = {{"retry-after", "Fri, 06 Nov 2099 08:49:37 GMT"}}}), seconds(1'000'000));
  EXPECT_EQ(wanted_pause({.headers = {{"ratelimit", "\"api\";r=0;t=55"}}}), seconds(55));
  EXPECT_EQ(wanted_pause({.headers = {{"retry-after", "soon"}}}), std::nullopt);
  EXPECT_EQ(wanted_pause({}), std::nullopt);
}

TEST(Pause, DoublesAndEnds) {
  Retry retry(milliseconds(500));
  EXPECT_EQ(retry.after_failure(), milliseconds(500));
  EXPECT_EQ(retry.after_failure(), milliseconds(1000));
  EXPECT_EQ(retry.after_failure(seconds(5)), seconds(5));
  EXPECT_EQ(retry.after_failure(seconds(1)), milliseconds(4000));
  EXPECT_EQ(retry.after_failure(), std::nullopt);
  retry.reset();
  EXPECT_EQ(retry.after_failure(), milliseconds(500));
  EXPECT_EQ(retry.after_failure(seconds(121)), std::nullopt);
}

TEST(Etag, LosesQuotesAndWeakness) {
  EXPECT_EQ(hash_of_etag("\"abc\""), "abc");
  EXPECT_EQ(hash_of_etag("W/\"abc\""), "abc");
  EXPECT_EQ(hash_of_etag(std::string("\"") + std::string(64, 'A') + "\""), std::string(64, 'a'));
  EXPECT_EQ(told_hash({.headers = {{"etag", "\"store\""}, {"x-linked-etag", "\"linked\""}}}), "linked");
}

TEST(BlobHash, IsSha256OrGits) {
  BlobHash sha256(std::string(64, '0'), 3);
  sha256.add("abc", 3);
  EXPECT_EQ(sha256.finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // printf 'what is up, doc?' | git hash-object --stdin (Pro Git, 10.2)
  const std::string text = "what is up, doc?";
  BlobHash git(std::string(40, '0'), text.size());
  git.add(text.data(), 5);
  git.add(text.data() + 5, text.size() - 5);
  EXPECT_EQ(git.finish(), "bd9dbf5aae1a3862dd1526723246b20206e5fc37");
}

TEST(BlobHash, NamesAreLowerCaseHexadecimal) {
  EXPECT_TRUE(is_blob_hash(std::string(40, 'a')));
  EXPECT_TRUE(is_blob_hash(std::string(64, '0')));
  EXPECT_FALSE(is_blob_hash(std::string(64, 'A')));
  EXPECT_FALSE(is_blob_hash(std::string(41, 'a')));
  EXPECT_FALSE(is_blob_hash(std::string(40, '/')));
}

}  // namespace
}  // namespace mlxe
