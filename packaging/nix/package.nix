# Untested: nixpkgs was not at hand, so neither the build nor the names of the dependencies.
# With `pkgs.callPackage ./package.nix { }`.
{
  lib,
  stdenv,
  fetchurl,
  cmake,
  lowdown,
  ninja,
  pkg-config,
  cairo,
  clblast,
  jansson,
  libjpeg_turbo,
  libwebp,
  ocl-icd,
  opencl-headers,
  stb,
  zlib,
}:

stdenv.mkDerivation (finalAttrs: {
  pname = "rangefinder";
  version = "@VERSION@";

  src = fetchurl {
    url = "@URL@/rangefinder-${finalAttrs.version}.tar.gz";
    sha256 = "@SHA256@";
  };

  nativeBuildInputs = [
    cmake
    lowdown
    ninja
    pkg-config
  ];

  buildInputs = [
    cairo
    clblast
    jansson
    libjpeg_turbo
    libwebp
    ocl-icd
    opencl-headers
    stb
    zlib
  ];

  cmakeFlags = [
    "-DRF_TESTS=OFF"
    "-DRF_ONNX=OFF"
    "-DRF_MPI=OFF"
    # https://github.com/NixOS/nixpkgs/issues/144170
    "-DCMAKE_INSTALL_INCLUDEDIR=include"
    "-DCMAKE_INSTALL_LIBDIR=lib"
  ];

  doInstallCheck = true;
  installCheckPhase = ''
    HOME=$TMPDIR $out/bin/rangefinder find --device reference --quiet --print suggestion
  '';

  meta = {
    description = "Learning rates of convolutional networks, found on any OpenCL device";
    homepage = "@URL@";
    license = with lib.licenses; [
      mit
      cc-by-40
    ];
    platforms = lib.platforms.unix;
    mainProgram = "rangefinder";
  };
})
