"""What goes into a wheel: the package, and the app with its pages, documents and settings as `brivl/appfiles`."""

from setuptools import find_packages, setup

APP = {
    "brivl.appfiles": ".",  # app.py
    "brivl.appfiles.pages": "pages",
    "brivl.appfiles.docs": "docs",
    "brivl.appfiles.settings": ".streamlit",
}

setup(
    packages=[*find_packages(include=["brivl", "brivl.*"]), *APP],
    package_dir=APP,
    package_data={
        "brivl": ["weights/*", "**/*.js", "**/*.css", "**/*.tsv"],
        "brivl.appfiles.docs": ["*.md", "howto/*.md", "img/*.png", "img/**/*.png"],
        "brivl.appfiles.settings": ["config.toml"],
    },
    exclude_package_data={"brivl.appfiles": ["setup.py"]},
)
