# Untested: no Homebrew and no Mac was at hand, so neither the build on macOS nor the names of the dependencies.
class Rangefinder < Formula
  desc "Learning rates of convolutional networks, found on any OpenCL device"
  homepage "@URL@"
  url "@URL@/rangefinder-@VERSION@.tar.gz"
  sha256 "@SHA256@"
  license all_of: ["MIT", "CC-BY-4.0"]

  depends_on "cmake" => :build
  depends_on "lowdown" => :build
  depends_on "ninja" => :build
  depends_on "pkgconf" => :build
  depends_on "cairo"
  depends_on "jansson"
  depends_on "jpeg-turbo"
  depends_on "webp"

  uses_from_macos "zlib"

  on_linux do
    depends_on "opencl-headers" => :build
    depends_on "opencl-icd-loader"
    depends_on "pocl"
  end

  resource "stb_image" do
    url "https://raw.githubusercontent.com/nothings/stb/31c1ad37456438565541f4919958214b6e762fb4/stb_image.h"
    sha256 "594c2fe35d49488b4382dbfaec8f98366defca819d916ac95becf3e75f4200b3"
  end

  def install
    resource("stb_image").stage buildpath/"include/stb"
    system "cmake", "-S", ".", "-B", "build", "-GNinja", "-DRF_TESTS=OFF", "-DRF_ONNX=OFF", "-DRF_MPI=OFF", *std_cmake_args
    system "cmake", "--build", "build"
    system "cmake", "--install", "build"
  end

  test do
    assert_match(/\A0\.\d+\Z/, shell_output("#{bin}/rangefinder find --device reference --print suggestion --quiet").strip)
  end
end
